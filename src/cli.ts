#!/usr/bin/env node
/** `auth-gateway`, the operator's command line: finds the command, prints what it says, ends with 0, 1 (a problem) or 2 (usage, configuration). */
import { parseArgs } from 'node:util'
import { type Command, type Input, UsageError } from './server/cli/command.ts'
import { doctor } from './server/cli/doctor.ts'
import { keysList, keysRetire, keysRotate, resealCommand } from './server/cli/keys.ts'
import { tokenInspect } from './server/cli/token.ts'
import { ConfigError } from './server/config/config.ts'

const commands: readonly Command[] = [doctor, keysList, keysRotate, keysRetire, resealCommand, tokenInspect]

const common = {
  json: { type: 'boolean', help: 'one JSON document on standard output' },
  help: { type: 'boolean', short: 'h', help: 'this text' },
} as const

async function main(args: string[]): Promise<number> {
  const command = commands.find(({ name }) => name.split(' ').every((word, index) => args[index] === word))
  if (!command) {
    const asked = args.length > 0 && args.every((arg) => arg === '--help' || arg === '-h' || arg === 'help')
    ;(asked ? process.stdout : process.stderr).write(overview())
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
    process.stderr.write(`${error instanceof Error ? error.message || error.name : 'unknown error'}\n`)
    if (usage) process.stderr.write(`\n${help(command)}`)
    return usage || error instanceof ConfigError ? 2 : 1
  }
}

/** A key id, 43 characters of base64url (RFC 7638), may begin with a dash and is no option then. */
const DASHED_KID = /^-[\w-]{42}$/

function parse(command: Command, given: string[]): Input {
  const kids = given.filter((arg) => DASHED_KID.test(arg))
  const args = [...given.filter((arg) => !kids.includes(arg)), ...(kids.length > 0 ? ['--', ...kids] : [])]
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { ...command.options, ...common },
      allowPositionals: true,
    })
    const progress = (line: string) => void (values.json || process.stderr.write(`… ${line}\n`))
    return { values: values as Input['values'], positionals, progress }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'cannot be read')
  }
}

function overview(): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return [
    'auth-gateway COMMAND [OPTIONS]: for operators, on the environment that the gateway runs with.',
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
