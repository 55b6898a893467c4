#!/usr/bin/env node
/** `auth-gateway`, the operator's command line: finds the command, prints what it says, ends with 0, 1 (a problem) or 2 (usage, configuration). */
import { auditList } from './server/cli/audit.ts'
import { type Command, type Input, UsageError } from './server/cli/command.ts'
import { doctor } from './server/cli/doctor.ts'
import { parseFlags } from './server/cli/flags.ts'
import { keysList, keysRetire, keysRotate, resealCommand } from './server/cli/keys.ts'
import { tokenInspect } from './server/cli/token.ts'
import {
  usersEnd,
  usersErase,
  usersReinstate,
  usersRoles,
  usersSearch,
  usersShow,
  usersSuspend,
} from './server/cli/users.ts'
import { ConfigError } from './server/config/config.ts'
import { nearest } from './server/config/nearest.ts'

const commands: readonly Command[] = [
  doctor,
  keysList,
  keysRotate,
  keysRetire,
  resealCommand,
  tokenInspect,
  usersSearch,
  usersShow,
  usersSuspend,
  usersReinstate,
  usersEnd,
  usersRoles,
  usersErase,
  auditList,
]

const common = {
  json: { type: 'boolean', help: 'one JSON document on standard output' },
  help: { type: 'boolean', short: 'h', help: 'this text' },
} as const

async function main(args: string[]): Promise<number> {
  const command = commands.find(({ name }) => name.split(' ').every((word, index) => args[index] === word))
  if (!command) {
    const asked = args.length > 0 && args.every((arg) => arg === '--help' || arg === '-h' || arg === 'help')
    const words = args.filter((arg) => !arg.startsWith('-')).join(' ')
    if (asked) process.stdout.write(overview())
    else process.stderr.write(words === '' ? overview() : `${unknownCommand(words)}\n`)
    return asked ? 0 : 2
  }
  try {
    const input = parse(command, args.slice(command.name.split(' ').length))
    if (input.values.help) {
      process.stdout.write(help(command))
      return 0
    }
    const { ok, json, text } = await command.run(input)
    process.stdout.write(`${input.values.json ? JSON.stringify(json, undefined, 2) : text}\n`)
    return ok ? 0 : 1
  } catch (error) {
    const usage = error instanceof UsageError
    const message = error instanceof Error ? error.message || error.name : 'unknown error'
    process.stderr.write(`${message}${usage ? ` (auth-gateway ${command.name} --help tells how)` : ''}\n`)
    return usage || error instanceof ConfigError ? 2 : 1
  }
}

/** A key id, 43 characters of base64url (RFC 7638), may begin with a dash and is no option then. */
const DASHED_KID = /^-[\w-]{42}$/

function parse(command: Command, given: string[]): Input {
  const kids = given.filter((arg) => DASHED_KID.test(arg))
  const args = [...given.filter((arg) => !kids.includes(arg)), ...(kids.length > 0 ? ['--', ...kids] : [])]
  const { values, positionals } = parseFlags({ ...command.options, ...common }, { args, positionals: true })
  const progress = (line: string) => void (values.json || process.stderr.write(`… ${line}\n`))
  return { values: values as Input['values'], positionals, progress }
}

/** A command of two words is also meant by its first one alone. */
function unknownCommand(words: string): string {
  const names = commands.map(({ name }) => name)
  const whole = names.filter((name) => name.startsWith(`${words} `))
  const meant = whole.length > 0 ? whole.join(' or ') : nearest(words, names)
  const advice = meant ? `did you mean ${meant}?` : `the commands are ${names.join(', ')}`
  return `auth-gateway ${words} is not a command; ${advice}`
}

function overview(): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return [
    'auth-gateway COMMAND [OPTIONS]: operator commands; reads the same environment variables as the gateway.',
    '',
    ...lines,
    '',
    'COMMAND --help tells more. Ends with 0, with 1 when there is a problem, with 2 when the call or the configuration is wrong.',
    '',
  ].join('\n')
}

function help({ name, usage, summary, details, options }: Command): string {
  const lines = Object.entries({ ...options, ...common }).map(
    ([option, { help: text }]) => `  --${option.padEnd(16)} ${text}`,
  )
  return [`auth-gateway ${name} ${usage}`.trimEnd(), '', summary, ...(details ? [details] : []), '', ...lines, ''].join(
    '\n',
  )
}

process.exitCode = await main(process.argv.slice(2))
