/** What Stryker's report of a room says: its score, and the mutants that nobody noticed. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../chaos/site.ts'
import { blocksOf, type Edit, editsOf } from '../conformance/mutants.ts'
import type { Room } from './rooms.ts'

type Position = { line: number; column: number }
type Mutant = { status: string; replacement?: string; location: { start: Position; end: Position } }
type Report = {
  files: Record<string, { source: string; mutants: Mutant[] }>
  testFiles?: Record<string, { source?: string }>
}

export type Survivor = Edit & { line: number; covered: boolean }
export type Score = { caught: number; valid: number; percent: number; survivors: Survivor[] }

const CAUGHT = ['Killed', 'Timeout']
const MISSED = ['Survived', 'NoCoverage']

/** Outside git: what Stryker keeps of a room from one run to the next. */
export const reportPath = (room: Room): string => `.cache/mutants/${room.name}.json`

export function readReport(room: Room): Report | undefined {
  const path = join(ROOT, reportPath(room))
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Report) : undefined
}

const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** Whether the report tells of the sources and the tests as they are now, so that nothing has to run again. */
export const isCurrent = (room: Room, report: Report | undefined): boolean =>
  report !== undefined &&
  room.sources.every((path) => report.files[path]?.source === textOf(path)) &&
  room.tests.every((path) => report.testFiles?.[path]?.source === textOf(path))

export function scoreOf(room: Room, report: Report): Score {
  const files = room.sources.flatMap((path) => {
    const file = report.files[path]
    return file ? [{ path, ...file }] : []
  })
  const statuses = files.flatMap(({ mutants }) => mutants.map(({ status }) => status))
  const caught = statuses.filter((status) => CAUGHT.includes(status)).length
  const survivors = files.flatMap(({ path, source, mutants }) =>
    mutants.filter(({ status }) => MISSED.includes(status)).map((mutant) => survivorOf(path, source, mutant)),
  )
  const valid = caught + survivors.length
  return { caught, valid, percent: valid === 0 ? 0 : (100 * caught) / valid, survivors }
}

/** The lines that a mutant changes, before and after. */
function survivorOf(file: string, source: string, { status, location, replacement = '' }: Mutant): Survivor {
  const lines = source.split('\n').slice(location.start.line - 1, location.end.line)
  const last = lines.at(-1) ?? ''
  const before = (lines[0] ?? '').slice(0, location.start.column - 1)
  const to = before + replacement + last.slice(location.end.column - 1)
  return { file, from: lines.join('\n'), to, line: location.start.line, covered: status === 'Survived' }
}

export type Reason = { because: string; edits: Edit[] }

/** Mutants of the security rooms that may survive, each with the reason. */
export const readReasons = (): Reason[] =>
  blocksOf(readFileSync(new URL('survivors.txt', import.meta.url), 'utf8')).map(([because = '', ...lines]) => ({
    because,
    edits: editsOf(because, lines),
  }))

const spelling = ({ file, from, to }: Edit): string =>
  [file, from, to].map((text) => text.replace(/\s+/g, '')).join('|')

/** The survivors for which no reason is written. */
export function unexplained(survivors: readonly Survivor[], reasons: readonly Reason[]): Survivor[] {
  const known = new Set(reasons.flatMap(({ edits }) => edits.map(spelling)))
  return survivors.filter((survivor) => !known.has(spelling(survivor)))
}
