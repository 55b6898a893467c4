/** The walls of the design: every import line of the server, and a few words, held to who may use what. */
import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { importsOf, violations } from './walls.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

test('no file climbs over a wall', () => {
  const paths = globSync(['src/**/*.ts', 'migrations/**/*.ts'], { cwd: root })
  const sources = Object.fromEntries(paths.map((path) => [path, readFileSync(`${root}${path}`, 'utf8')]))
  expect(paths.length).toBeGreaterThan(80)
  expect(violations(sources)).toEqual([])
})

const open = '/** What it is. */\n'
const from = (...names: string[]) => open + names.map((name) => `import { x } from '${name}'\n`).join('')

describe('the checker reports', () => {
  test.each<[string, string, string]>([
    ['an arrow upwards', 'src/server/keys/ring.ts', from('../login/sign-in.ts')],
    ['an arrow upwards in a type', 'src/server/keys/ring.ts', `${open}import type { X } from '../login/sign-in.ts'`],
    ['an arrow upwards in a re-export', 'src/server/keys/ring.ts', `${open}export { x } from '../login/sign-in.ts'`],
    [
      'an arrow upwards over several lines',
      'src/server/keys/ring.ts',
      `${open}import {\n  x,\n} from '../login/sign-in.ts'`,
    ],
    [
      'an arrow upwards in a dynamic import',
      'src/server/keys/ring.ts',
      `${open}await ${'import'}('../login/sign-in.ts')`,
    ],
    ['an arrow sideways', 'src/server/keys/ring.ts', from('../users/users.ts')],
    ["another's store", 'src/server/login/sign-in.ts', from('../sessions/store.ts')],
    ["another's store from a store", 'src/server/users/store.ts', from('../audit/store.ts')],
    ["another's routes", 'src/server/login/routes.ts', from('../sessions/routes.ts')],
    ['hono in rules', 'src/server/login/sign-in.ts', from('hono')],
    ['a part of hono in rules', 'src/server/login/sign-in.ts', from('hono/cookie')],
    ['hono in routes', 'src/server/login/routes.ts', from('hono')],
    ['a query in rules', 'src/server/users/users.ts', `${open}const rows = await db.selectFrom('users').execute()`],
    ['a query in the composition root', 'src/server/gateway.ts', `${open}const mine = (eb) => eb('user_id', '=', id)`],
    ['a fragment of SQL in routes', 'src/server/login/routes.ts', `${open}const now = ${'sql'}\`now()\``],
    ['SQL as text in rules', 'src/server/users/users.ts', `${open}const text = 'select id from users'`],
    [
      'SQL as text over several lines',
      'src/server/users/users.ts',
      `${open}const text = \`\n  with known as (\n  select 1)\``,
    ],
    ['a SQLSTATE in a store', 'src/server/users/store.ts', `${open}const taken = error.code === '23505'`],
    ['a table of another room', 'src/server/users/store.ts', `${open}await tx.updateTable('sessions').execute()`],
    ['a table of another room in text', 'src/server/users/store.ts', `${open}const text = 'delete from sessions'`],
    [
      'a table of another room with an alias',
      'src/server/profile/store.ts',
      `${open}const text = 'update sessions s set ip = null'`,
    ],
    [
      'a partition of another room',
      'src/server/users/store.ts',
      `${open}const text = 'insert into audit_events_default select 1'`,
    ],
    ['a table that nobody owns', 'src/server/users/store.ts', `${open}await tx.insertInto('pets').execute()`],
    ['kysely in rules', 'src/server/audit/audit.ts', `${open}import type { Kysely } from 'kysely'`],
    ['pg in routes', 'src/server/login/routes.ts', from('pg')],
    ['PGlite in the server', 'src/server/storage/database.ts', from('@electric-sql/pglite')],
    ['ioredis outside storage', 'src/server/session-key/vault.ts', from('ioredis')],
    ['undici outside fetch-json', 'src/server/platforms/wechat.ts', from('undici')],
    ['a socket outside the listeners', 'src/server/platforms/wechat.ts', from('node:https')],
    ['the global fetch', 'src/server/platforms/wechat.ts', `${open}const reply = await fetch(url)`],
    ['the environment', 'src/server/login/sign-in.ts', `${open}const on = process.env.X`],
    ['dev in production', 'src/main.ts', from('./dev/testing/test-gateway.ts')],
    ['the SDK in the server', 'src/server/login/sign-in.ts', from('../../sdk/verifier/verifier.ts')],
    ['the server in the SDK', 'src/sdk/verifier/verifier.ts', from('../../server/errors.ts')],
    ['a package in the SDK', 'src/sdk/verifier/verifier.ts', from('zod')],
    ['the server in a migration', 'migrations/0001_core.ts', from('../src/server/clock.ts')],
    ['a test runner in the server', 'src/server/login/sign-in.ts', from('vitest')],
    ['a file outside', 'src/server/login/sign-in.ts', from('../../../bench/main.ts')],
    ['a barrel', 'src/server/login/index.ts', open],
    ['a drawer of odds and ends', 'src/server/login/utils.ts', open],
    ['a file in no room', 'src/server/cellar/wine.ts', open],
    ['a file without its sentence', 'src/server/login/sign-in.ts', "import { x } from './replay.ts'"],
    ['a file of more than 300 lines', 'src/server/login/sign-in.ts', `${open + '\n'.repeat(300)}x`],
  ])('%s', (_what, path, text) => {
    expect(violations({ [path]: text })).toHaveLength(1)
  })

  test('a circle once, with every step of it, even of types alone', () => {
    const found = violations({
      'src/server/login/a.ts': `${open}import type { B } from './b.ts'`,
      'src/server/login/b.ts': from('./c.ts'),
      'src/server/login/c.ts': from('./a.ts'),
    })
    expect(found).toEqual([
      'src/server/login/a.ts → src/server/login/b.ts → src/server/login/c.ts → src/server/login/a.ts is a circle',
    ])
  })
})

test.each<[string, string, string]>([
  [
    'an arrow downwards',
    'src/server/login/sign-in.ts',
    from('../sessions/sessions.ts', '../errors.ts', './replay.ts', './store.ts'),
  ],
  ['the composition root', 'src/server/gateway.ts', from('./sessions/store.ts', './sessions/routes.ts')],
  ['a type of node:http', 'src/server/http/context.ts', `${open}import type { Server } from 'node:http'`],
  ['a handed-in fetch', 'src/server/platforms/wechat.ts', `${open}const reply = await simulator.fetch(url)`],
  ['a word in a comment', 'src/server/login/sign-in.ts', `${open}// process.env is read in config.ts\n`],
  [
    "login's one statement",
    'src/server/login/store.ts',
    `${open}const text = 'insert into users as u select 1 on conflict (id) do update set nickname = null'`,
  ],
  [
    'a statement on its own table',
    'src/server/sessions/store.ts',
    `${open}const text = 'update sessions s set ip = null'`,
  ],
  ['SQL in a test', 'src/server/users/users.test.ts', `${open}const text = 'delete from sessions'`],
  ['a test', 'src/server/login/sign-in.test.ts', from('../../dev/testing/test-gateway.ts', 'vitest', 'pg')],
  ['jose in the SDK', 'src/sdk/verifier/verifier.ts', from('jose', 'node:crypto')],
  ['a migration', 'migrations/0001_core.ts', from('kysely')],
])('the checker lets %s pass', (_what, path, text) => {
  expect(violations({ [path]: text })).toEqual([])
})

test('every form of import is read', () => {
  const text = `import 'a'\nimport b from 'b'\nimport type { C } from 'c'\nimport * as d from 'd'\nexport * from 'e'\nconst f = await import('f')\n// import g from 'g'\n`
  expect(importsOf(text).map((line) => line.from)).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
})
