/** Writes docs/configuration.md from the schema that reads the environment: `npm run docs`. A test holds the two equal. */
import { writeFileSync } from 'node:fs'
import { environmentSchema } from '../config-environment.ts'

const head = `# Configuration

The environment is all there is. Any variable \`X\` may be given as \`X_FILE\`, a path whose content is the value. Every problem is
reported at once, by name, and the process exits with 2; a value is never printed.

This table is made from the code by \`npm run docs\`.

| name | default | meaning |
|---|---|---|
`

type Definition = { type: string; defaultValue?: unknown; innerType?: { def: Definition } }

function defaultOf(definition: Definition): string {
  if (definition.type === 'default' || definition.type === 'prefault') return written(definition.defaultValue)
  return definition.type === 'optional' ? 'none' : 'required'
}

function written(value: unknown): string {
  if (typeof value === 'boolean') return value ? '`on`' : '`off`'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : `\`${value.join(',')}\``
  return `\`${String(value)}\``
}

/** The page as it should be. */
export function configurationPage(): string {
  const rows = Object.entries(environmentSchema.shape).map(([name, schema]) => {
    const meaning = (schema.description ?? '').replaceAll('|', '\\|')
    return `| \`${name}\` | ${defaultOf(schema.def as Definition)} | ${meaning} |`
  })
  return `${head}${rows.join('\n')}\n`
}

if (import.meta.main) writeFileSync('docs/configuration.md', configurationPage())
