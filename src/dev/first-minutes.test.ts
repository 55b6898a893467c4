/** What goes wrong in the first minutes is told in one line that says what to do; what goes well is a readable line a request. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { freePort } from './services/service.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'first-minutes-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Ran = { status: number | null; out: string; err: string }

function start(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', NODE_ENV: 'test', ...env },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ran: Ran = { status: null, out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (ran.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (ran.err += text))
  const ended = once(child, 'close').then(([status]) => ({ ...ran, status: status as number | null }))
  return { child, ran, ended }
}

const dev = (args: string[], env?: Record<string, string>) => start([join(root, 'src/dev/main.ts'), ...args], env)

/** The message is the only line there is. */
async function expectOneLine({ ended }: ReturnType<typeof start>, message: string | RegExp, status = 1) {
  const ran = await ended
  expect({ ...ran, err: ran.err.trimEnd() }).toEqual({ status, out: '', err: expect.stringMatching(message) })
  expect(ran.err.trimEnd()).not.toContain('\n')
}

/** Holds a port until the test ends. */
async function takenPort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

const onFreePorts = async () => [
  ...['--port', String(await freePort())],
  ...['--admin-port', String(await freePort())],
  ...['--wechat-port', String(await freePort())],
]

test.each([
  [['--prot', '1'], '--prot is not an option; did you mean --port?'],
  [['--port', '80800'], '--port is a whole number up to 65535, not "80800"'],
  [['--port', '0'], '--port is a number from 1 to 65535'],
  [['--admin-port', '8080'], '--port, --admin-port and --wechat-port must differ'],
  [['--log', 'yaml'], '--log is lines or json, not "yaml"'],
  [['--data='], '--data is the name of a folder'],
])('npm run dev -- %s', async (args, message) => {
  await expectOneLine(dev(args), `^${message.replaceAll(/[?.]/g, '\\$&')}$`)
})

test('NODE_ENV=production is refused', async () => {
  await expectOneLine(dev([], { NODE_ENV: 'production' }), /^npm run dev is for development only; .* npm start\.$/)
})

test('a port in use: which one, and other ports to try', async () => {
  const port = await takenPort()
  const args = [...(await onFreePorts()), '--port', String(port), '--data', join(folder, 'port')]
  await expectOneLine(
    dev(args),
    `^port ${port} is in use by another program: stop it, or choose others: npm run dev -- `,
  )
})

test('a port in use under npm start: the variable to change', async () => {
  const taken = await takenPort()
  const environment = {
    ISSUER: 'https://auth.example.com',
    DATABASE_URL: 'postgres://127.0.0.1:9/none',
    REDIS_URL: 'redis://127.0.0.1:9',
    ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64')}`,
    WECHAT_APPID: 'wx0123456789abcdef',
    WECHAT_SECRET: 'not-a-secret',
    LOG_LEVEL: 'silent',
    PORT: String(await freePort()),
    ADMIN_PORT: String(taken),
    HOST: '127.0.0.1',
    ADMIN_HOST: '127.0.0.1',
  }
  await expectOneLine(
    start([join(root, 'src/main.ts')], environment),
    `^cannot start: port ${taken} is in use by another program; stop it, or set ADMIN_PORT to another port$`,
  )
})

test('a port in use under npm run simulator', async () => {
  const port = await takenPort()
  const simulator = start([join(root, 'src/dev/simulator/main.ts'), '--port', String(port)])
  await expectOneLine(simulator, `^port ${port} is in use by another program: choose another with --port$`)
})

test.each<[string, (data: string) => void, RegExp]>([
  ['a file', (data) => writeFileSync(data, 'x'), /^\S+ cannot be used: it cannot be made \(\w+\)\. Delete it, or name/],
  [
    'junk instead of keys',
    (data) => {
      mkdirSync(data)
      writeFileSync(join(data, 'encryption-keys'), 'junk')
    },
    /^\S+ cannot be used: \S+encryption-keys holds no encryption keys\. Delete it, or name another folder: /,
  ],
  [
    'a database of another version',
    (data) => {
      mkdirSync(join(data, 'postgres'), { recursive: true })
      writeFileSync(join(data, 'postgres', 'PG_VERSION'), '9\n')
    },
    /^\S+ cannot be used: \S+postgres is no database of this version \(.+\)\. Delete it, or name another folder: /,
  ],
])('junk as the data folder: %s', async (name, make, message) => {
  const data = join(folder, name.replaceAll(' ', '-'))
  make(data)
  await expectOneLine(dev([...(await onFreePorts()), '--data', data]), message)
})

test('installed with --omit=dev: what is missing, and the command that brings it', async () => {
  const bare = join(folder, 'omitted')
  for (const part of ['src', 'migrations', 'package.json', 'tsconfig.json'])
    cpSync(join(root, part), join(bare, part), { recursive: true })
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>
  }
  for (const [path, { dev, optional }] of Object.entries(lock.packages)) {
    if (!/^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) || dev || optional) continue
    mkdirSync(dirname(join(bare, path)), { recursive: true })
    symlinkSync(join(root, path), join(bare, path))
  }
  await expectOneLine(
    start([join(bare, 'src/dev/main.ts')]),
    /^npm run dev needs the development dependencies, and \S+ is not installed: run npm ci$/,
  )
})

test('Node below 24: the version that is needed and how to come by it, by every script that an installation begins with', async () => {
  const older = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'22.3.0'})`
  const check = join(root, 'src/node-version.js')
  await expectOneLine(
    start(['--import', older, '--import', check, join(root, 'src/dev/main.ts')]),
    /^Node 24 or newer is needed, this is 22\.3\.0: run npm ci, .* or install it from https:\/\/nodejs\.org$/,
  )
  for (const script of ['dev', 'start', 'migrate', 'simulator'])
    expect(manifest.scripts[script]).toContain('node --import ./src/node-version.js ')
})

test('a start with --seed, --open and a misspelt variable: warning, users, the browser, and one line a request', async () => {
  const browser = join(folder, 'browser.sh')
  writeFileSync(browser, `#!/bin/sh\necho "$1" > ${folder}/opened\n`, { mode: 0o755 })
  const ports = await onFreePorts()
  const env = { BROWSER: browser, TRUSTED_PROXY_HOP: 'a-value-not-to-print' }
  const { ran, child, ended } = dev([...ports, '--seed', '--open', '--data', join(folder, 'seeded')], env)
  await expect.poll(() => ran.out, { timeout: 40_000 }).toContain('Log in')
  expect(ran.err.trimEnd()).toBe('TRUSTED_PROXY_HOP: is not known and not read; did you mean TRUSTED_PROXY_HOPS?')
  expect(ran.out).toContain('4 users with 7 sessions; dave is suspended')
  const gateway = `http://localhost:${ports[1]}`
  const login = (code: string) =>
    fetch(`${gateway}/api/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code }),
    })
  const { data } = (await (await login('dev:alice:one')).json()) as { data: { token: string; user_id: string } }
  const sessions = await fetch(`${gateway}/api/sessions`, { headers: { authorization: `Bearer ${data.token}` } })
  expect(((await sessions.json()) as { data: unknown[] }).data).toHaveLength(4)
  expect(await (await login('dev:dave:one')).json()).toMatchObject({ code: 'A0202' })
  await fetch(`${gateway}/no/such/path?token=secret`)
  await fetch(`${gateway}/api/user`, { headers: { authorization: 'Bearer nonsense' } })
  const time = String.raw`\d\d:\d\d:\d\d ${ports[1]}`
  const duration = String.raw`[\d.]+ ms`
  await expect.poll(() => ran.out).toMatch(new RegExp(`^${time} GET    /api/user 401 ${duration} A0230 .+$`, 'm'))
  expect(ran.out).toMatch(new RegExp(`^${time} POST   /api/login 200 ${duration} user ${data.user_id}$`, 'm'))
  expect(ran.out).toMatch(new RegExp(`^${time} POST   /api/login 403 ${duration} (user \\S+ )?A0202`, 'm'))
  expect(ran.out).toMatch(new RegExp(`^${time} GET    /no/such/path 404 ${duration} A0404`, 'm'))
  expect(ran.out).not.toMatch(/secret\b(?!-)|a-value|\n {4}at |\{"/)
  await expect.poll(() => readFileSync(join(folder, 'opened'), 'utf8')).toBe(`${gateway}/\n`)
  child.kill('SIGTERM')
  expect((await ended).status).toBe(0)
})

test('--log json prints the lines of production; a second --seed adds nothing; a browser that does not start is told', async () => {
  const args = [...(await onFreePorts()), '--seed', '--open', '--log', 'json', '--data', join(folder, 'seeded')]
  const { ran, child, ended } = dev(args, { BROWSER: '/no/such/browser' })
  await expect.poll(() => ran.out, { timeout: 40_000 }).toContain('there are users already, so --seed adds none')
  await expect.poll(() => ran.err).toMatch(/^\/no\/such\/browser does not start: open \S+ yourself, or name a browser/)
  await expect.poll(() => ran.out).toMatch(/^\{"level":30,.*"route":"\/admin\/users".*\}$/m)
  child.kill('SIGTERM')
  expect((await ended).status).toBe(0)
})
