/** Reads the flags of a program; a wrong one is told in one line, with the right one that is nearest. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { nearest } from '../config/nearest.ts'
import { UsageError } from './command.ts'

type Options = NonNullable<ParseArgsConfig['options']>
type Parsed<Known extends Options> = ReturnType<typeof parseArgs<{ options: Known; allowPositionals: true }>>

/** Throws UsageError. `args` are those of the process by default; `positionals`: whether anything but flags may be given. */
export function parseFlags<const Known extends Options>(
  options: Known,
  { args = process.argv.slice(2), positionals = false }: { args?: string[]; positionals?: boolean } = {},
): Parsed<Known> {
  try {
    return parseArgs({ args, options, allowPositionals: positionals }) as Parsed<Known>
  } catch (error) {
    throw new UsageError(reasonOf(error, Object.keys(options)))
  }
}

/** Node's messages in one line, with advice; they name what they are about in quotes. */
function reasonOf(error: unknown, known: readonly string[]): string {
  if (!(error instanceof Error) || !('code' in error)) return 'the flags cannot be read'
  const [named = ''] = /(?<=')[^']+/.exec(error.message) ?? []
  // Node shows the short form and the value beside the name: `-h, --help`, `--port <value>`.
  const name = /--?([\w-]+)(?: <\w+>)?$/.exec(named)?.[1] ?? named
  if (error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const meant = nearest(name, known)
    return `${named} is not an option; ${meant ? `did you mean --${meant}?` : '--help lists them'}`
  }
  if (error.code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') return `"${named}" is not an option; --help lists them`
  if (/does not take an argument/.test(error.message)) return `--${name} takes no value`
  return `--${name} needs a value`
}

/** Throws UsageError. */
export function wholeNumber(flag: string, text: string, max: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > max) throw new UsageError(`${flag} is a whole number up to ${max}, not "${text}"`)
  return value
}
