/** Each wrong flag is told in one line that says what to do. */
import { expect, test } from 'vitest'
import { parseFlags, wholeNumber } from './flags.ts'

const options = {
  port: { type: 'string', default: '8080' },
  'admin-port': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

test.each([
  [['--prot', '1'], '--prot is not an option; did you mean --port?'],
  [['--adminport=1'], '--adminport is not an option; did you mean --admin-port?'],
  [['--Port', '1'], '--Port is not an option; did you mean --port?'],
  [['-p', '1'], '-p is not an option; --help lists them'],
  [['--zebra'], '--zebra is not an option; --help lists them'],
  [['8080'], '"8080" is not an option; --help lists them'],
  [['--port'], '--port needs a value'],
  [['--port', '--help'], '--port needs a value'],
  [['--help=yes'], '--help takes no value'],
])('%j', (args, message) => {
  expect(() => parseFlags(options, { args })).toThrow(message)
  expect(message).not.toContain('\n')
})

test('right flags are read, with defaults', () => {
  expect(parseFlags(options, { args: ['--admin-port', '9'] }).values).toEqual({ port: '8080', 'admin-port': '9' })
  expect(parseFlags(options, { args: ['one', '-h'], positionals: true })).toMatchObject({
    values: { help: true },
    positionals: ['one'],
  })
})

test('numbers are whole, and within bounds', () => {
  expect(wholeNumber('--port', '0', 65_535)).toBe(0)
  for (const text of ['', '-1', '1.5', '1e3', '65536', ' 1', 'x'])
    expect(() => wholeNumber('--port', text, 65_535)).toThrow(`--port is a whole number up to 65535, not "${text}"`)
})
