/** What a command of the operator's command line is, so that help, JSON and exit codes are the same for all. */
import type { ParseArgsConfig } from 'node:util'

export type Outcome = {
  /** False ends the process with 1: a problem was found. */
  ok: boolean
  /** What `--json` prints. */
  json: unknown
  text: string
}

export type Input = {
  values: Record<string, string | boolean | undefined>
  positionals: string[]
  /** A line for who waits, on standard error; nothing with `--json`. */
  progress(line: string): void
}

export type Command = {
  /** As it is called: `keys retire`. */
  name: string
  /** What follows the name. */
  usage: string
  summary: string
  /** More for `--help`; each option is listed by itself. */
  details: string
  options: Record<string, NonNullable<ParseArgsConfig['options']>[string] & { help: string }>
  run(input: Input): Promise<Outcome>
}

/** The command was not called as it should be; the process ends with 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

/** The only positional argument; throws UsageError. */
export function onlyPositional({ positionals }: Input, what: string): string {
  const [first] = positionals
  if (first === undefined || positionals.length > 1) throw new UsageError(`exactly one ${what} is needed`)
  return first
}

/** Columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
