/** Reads mutants.txt: breaks of this gateway, each for the requirement that must notice. */
import { readFileSync } from 'node:fs'

export type Edit = { file: string; from: string; to: string }

export type Mutant = {
  /** The id of the requirement. */
  breaks: string
  /** What the break does. */
  what: string
  /** More than one where one alone cannot show it. */
  replicas: number
  /** Whether the requirement is about a defect of the gateway: otherwise one shows that the break does not run. */
  byDefect: boolean
  edits: Edit[]
}

const HEAD = /^(MPL-\d+\.\d+)(?: on (\d+))?( by a defect)?: (.+)$/

export const readMutants = (): Mutant[] => parseMutants(readFileSync(new URL('mutants.txt', import.meta.url), 'utf8'))

/** Throws where the text is in no form that it can be. */
export const parseMutants = (text: string): Mutant[] => blocksOf(text).map(readBlock)

/** The lines of each mutant, without comments. */
export const blocksOf = (text: string): string[][] =>
  text
    .split(/\n{2,}/)
    .map((block) => block.split('\n').filter((line) => !line.startsWith('#') && line !== ''))
    .filter((lines) => lines.length > 0)

function readBlock([head = '', ...lines]: string[]): Mutant {
  const [, breaks, replicas = '1', defect, what] = HEAD.exec(head) ?? []
  if (breaks === undefined || what === undefined) throw new Error(`mutants.txt: not a mutant: ${head}`)
  return { breaks, what, replicas: Number(replicas), byDefect: defect !== undefined, edits: editsOf(breaks, lines) }
}

/** Throws where a line is in no form that it can be. */
export function editsOf(breaks: string, lines: readonly string[]): Edit[] {
  const edits: { file: string; from: string[]; to: string[] }[] = []
  let file = ''
  let before = ''
  for (const line of lines) {
    const sign = line.charAt(0)
    if (sign === '@') file = line.slice(2)
    else if (sign === '-') {
      // A minus after anything else begins another edit.
      if (before !== '-') edits.push({ file, from: [], to: [] })
      edits.at(-1)?.from.push(line.slice(2))
    } else if (sign === '+' && before !== '@') edits.at(-1)?.to.push(line.slice(2))
    else throw new Error(`mutants.txt: ${breaks}: neither file nor text: ${line}`)
    before = sign
  }
  if (edits.length === 0 || edits.some((edit) => edit.file === ''))
    throw new Error(`mutants.txt: ${breaks}: no file or no text`)
  return edits.map(({ file: path, from, to }) => ({ file: path, from: from.join('\n'), to: to.join('\n') }))
}
