/** Prints the requirements into README.md, so that what is read and what is run is one text: `npm run docs`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Requirement, Section } from './requirement.ts'
import { sections } from './requirements.ts'

const file = fileURLToPath(new URL('README.md', import.meta.url))
const BEGIN = '<!-- requirements: printed by npm run docs -->\n'
const END = '<!-- end of requirements -->\n'

function printed({ title, about, requirements }: Section, index: number): string {
  return [`### ${index + 1}. ${title}`, about, ...requirements.map(paragraph)].join('\n\n')
}

function paragraph({ id, text, why, how, source, needs = [] }: Requirement): string {
  const applies = needs.length === 0 ? '' : ` *Needs* ${needs.join(', ')}.`
  return `**${id}** ${text}<br>\n*Why:* ${why} *Tested by:* ${how} *Source:* ${source}.${applies}`
}

/** The README as it should be. */
export function withRequirements(text: string): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`${file} has lost its markers`)
  return `${text.slice(0, begin + BEGIN.length)}\n${sections.map(printed).join('\n\n')}\n\n${text.slice(end)}`
}

export const readReadme = (): string => readFileSync(file, 'utf8')

if (import.meta.main) writeFileSync(file, withRequirements(readReadme()))
