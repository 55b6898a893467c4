/** Writes docs/configuration.md and its Chinese twin from the schema that reads the environment: `npm run docs`. A test holds them equal. */
import { writeFileSync } from 'node:fs'
import { environmentSchema } from '../../server/config/environment.ts'
import { meanings } from './configuration-meanings.zh-CN.ts'

type Page = { head: string; none: string; required: string; meaning(name: string, described: string): string }

const english: Page = {
  head: `# Configuration

[中文](configuration.zh-CN.md)

The environment is all there is. Any variable \`X\` may be given as \`X_FILE\`, a path whose content is the value. Every problem is
reported at once, by name, and the process exits with 2; a value is never printed.

This table is made from the code by \`npm run docs\`.

| name | default | meaning |
|---|---|---|
`,
  none: 'none',
  required: 'required',
  meaning: (_, described) => described,
}

const chinese: Page = {
  head: `# 配置

[English](configuration.md)

一切配置都来自环境变量。任何变量 \`X\` 都可以写成 \`X_FILE\`，即内容为其值的文件路径。环境变量有误时会按名称一次列出全部问题，并以 2
退出；任何值都不会被打印。

下表由 \`npm run docs\` 从代码生成。

| 名称 | 默认值 | 含义 |
|---|---|---|
`,
  none: '无',
  required: '必填',
  meaning: (name) => meanings[name as keyof typeof meanings],
}

type Definition = { type: string; defaultValue?: unknown; innerType?: { def: Definition } }

function defaultOf(definition: Definition, page: Page): string {
  if (definition.type === 'default' || definition.type === 'prefault') return written(definition.defaultValue, page)
  return definition.type === 'optional' ? page.none : page.required
}

function written(value: unknown, page: Page): string {
  if (typeof value === 'boolean') return value ? '`on`' : '`off`'
  if (Array.isArray(value)) return value.length === 0 ? page.none : `\`${value.join(',')}\``
  return `\`${String(value)}\``
}

function write(page: Page): string {
  const rows = Object.entries(environmentSchema.shape).map(([name, schema]) => {
    const meaning = page.meaning(name, schema.description ?? '').replaceAll('|', '\\|')
    return `| \`${name}\` | ${defaultOf(schema.def as Definition, page)} | ${meaning} |`
  })
  return `${page.head}${rows.join('\n')}\n`
}

/** The pages as they should be, by file. */
export const configurationPages = (): Record<string, string> => ({
  'docs/configuration.md': write(english),
  'docs/configuration.zh-CN.md': write(chinese),
})

if (import.meta.main) for (const [file, page] of Object.entries(configurationPages())) writeFileSync(file, page)
