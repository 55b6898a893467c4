/** The operator's command line as a process of its own, on real stores and a WeChat on loopback. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Listener, listen } from '../../server/serve/listeners.ts'
import { createWechatSimulator } from '../simulator/wechat.ts'
import { openTestStores, type TestStores } from './real-stores.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway, testEnvironment } from './test-gateway.ts'

const PROGRAM = fileURLToPath(new URL('../../cli.ts', import.meta.url))
const NOWHERE = 'postgres://postgres@127.0.0.1:9/none'

type Ended = { status: number | null; out: string; err: string }

async function run(args: string[], environment: Record<string, string>, stdin = ''): Promise<Ended> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { PATH: process.env.PATH ?? '', ...environment } })
  const ended: Ended = { status: null, out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (ended.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (ended.err += text))
  child.stdin.end(stdin)
  const [status] = await once(child, 'close')
  return { ...ended, status: status as number | null }
}

describe.runIf(inject('stores') === 'real')('auth-gateway', () => {
  const simulator = createWechatSimulator({ apps: [{ appid: APPID, secret: APP_SECRET }] })
  const k2 = `k2:${randomBytes(32).toString('base64')}`
  let stores: TestStores
  let wechat: Listener
  let gateway: TestGateway
  let environment: Record<string, string>

  beforeAll(async () => {
    stores = await openTestStores()
    wechat = await listen(simulator.app, { host: '127.0.0.1', port: 0 })
    environment = {
      ...testEnvironment,
      DATABASE_URL: stores.databaseUrl,
      REDIS_URL: stores.redisUrl,
      WECHAT_API_BASE: wechat.url,
      SIGNING_KEY_PUBLISH_AHEAD_SECONDS: '2',
      JWKS_MAX_AGE_SECONDS: '2',
    }
    gateway = await startTestGateway({ stores, simulator, environment })
  })
  afterAll(async () => {
    await gateway?.close()
    await wechat?.close(0)
  })

  const cli = (args: string[], more: Record<string, string> = {}, stdin?: string) =>
    run(args, { ...environment, ...more }, stdin)
  const json = ({ out }: Ended) => JSON.parse(out)
  const tokenOf = async (person = 'somebody'): Promise<string> => (await gateway.login(person)).body.data.token
  const kidOf = (token: string) => decodeProtectedHeader(token).kid ?? ''
  const accepted = async (token: string) => (await gateway.call('GET', '/api/sessions', { token })).status === 200

  test('help is for every command, and a call that is wrong ends with 2 and says how it is right', async () => {
    const overview = await cli(['--help'])
    expect(overview.status).toBe(0)
    const names = [...overview.out.matchAll(/^ {2}([a-z]+(?: [a-z]+)?) {2}/gm)].map(([, name = '']) => name)
    expect(names).toEqual([
      ...['doctor', 'keys list', 'keys rotate', 'keys retire', 'reseal', 'token inspect'],
      ...['users search', 'users show', 'users suspend', 'users reinstate', 'users end', 'users roles', 'users erase'],
      'audit list',
    ])
    for (const name of names) {
      const help = await run([...name.split(' '), '--help'], {})
      expect([help.status, help.out]).toEqual([0, expect.stringContaining(`auth-gateway ${name}`)])
    }
    const wrong = [
      [],
      ['sing'],
      ['keys'],
      ['keys', 'retire'],
      ['doctor', '--fast'],
      ['keys', 'rotate', '--activate-after', 'soon'],
    ]
    for (const args of wrong) {
      const { status, out, err } = await cli(args)
      expect({ args, status, out }).toEqual({ args, status: 2, out: '' })
      expect(err).toContain('auth-gateway')
    }
    const inOneLine: [string[], string][] = [
      [['doctr'], 'auth-gateway doctr is not a command; did you mean doctor?'],
      [['keys'], 'auth-gateway keys is not a command; did you mean keys list or keys rotate or keys retire?'],
      [['doctor', '--jsno'], '--jsno is not an option; did you mean --json? (auth-gateway doctor --help tells how)'],
      [['keys', 'retire'], 'exactly one KID is needed (auth-gateway keys retire --help tells how)'],
    ]
    for (const [args, message] of inOneLine) expect((await cli(args)).err).toBe(`${message}\n`)
  })

  test('a configuration that cannot be read ends every command with 2, names the variables and prints no secret', async () => {
    const canary = 'canary-0123456789'
    for (const args of [['doctor'], ['keys', 'list'], ['reseal', '--json']]) {
      const { status, out, err } = await cli(args, { REDIS_URL: `http://:${canary}@x`, ENCRYPTION_KEYS: canary })
      expect({ status, out }).toEqual({ status: 2, out: '' })
      expect(err).toMatch(/REDIS_URL.*ENCRYPTION_KEYS/s)
      expect(err).not.toContain(canary)
    }
  })

  describe('doctor', () => {
    test('finds all well where all is well, and a made-up code proves appid and secret', async () => {
      const report = await cli(['doctor', '--json'])
      expect(report.err).toBe('')
      expect(json(report).checks.filter(({ state }: { state: string }) => state !== 'ok')).toEqual([])
      expect(json(report).checks.map(({ name }: { name: string }) => name)).toEqual([
        'configuration',
        'PostgreSQL',
        'clock against PostgreSQL',
        'schema',
        'signing keys',
        'Redis',
        `wechat ${APPID}`,
        'clock against wechat',
      ])
      expect(report.status).toBe(0)
    })

    test.each<[string, Record<string, string>, RegExp]>([
      ['a wrong AppSecret', { WECHAT_SECRET: 'another-secret' }, /PROBLEM {2}wechat .*40125 .*\n.*AppSecret/],
      ['an unknown appid', { WECHAT_APPID: 'wx9999999999999999' }, /PROBLEM {2}wechat .*40013 .*\n.*appid/],
      [
        'a platform out of reach',
        { WECHAT_API_BASE: 'http://127.0.0.1:9' },
        /PROBLEM {2}wechat .*unreachable.*\n.*outbound/,
      ],
      ['PostgreSQL away', { DATABASE_URL: NOWHERE }, /PROBLEM {2}PostgreSQL.*ECONNREFUSED.*\n.*DATABASE_URL/],
      ['Redis away', { REDIS_URL: 'redis://127.0.0.1:9' }, /PROBLEM {2}Redis: connect ECONNREFUSED.*\n.*REDIS_URL/],
      ['a lost encryption key', { ENCRYPTION_KEYS: k2 }, /PROBLEM {2}signing keys: .*"k1".*\n.*keys retire/],
    ])('%s: says so, says what to do, ends with 1, and prints no secret', async (_what, more, expected) => {
      const { status, out, err } = await cli(['doctor'], more)
      expect(out).toMatch(expected)
      expect(status).toBe(1)
      for (const secret of [APP_SECRET, 'another-secret', k2.slice(3)]) expect(out + err).not.toContain(secret)
    })
  })

  describe('token inspect', () => {
    test('shows what a token says and that it is good, from an argument or standard input, never its signature', async () => {
      const token = await tokenOf()
      const [, , signature = ''] = token.split('.')
      for (const report of [
        await cli(['token', 'inspect', token]),
        await cli(['token', 'inspect', '-', '--json'], {}, `${token}\n`),
      ]) {
        expect(report.status).toBe(0)
        expect(report.out).toContain(APPID)
        expect(report.out).toContain(kidOf(token))
        expect(report.out + report.err).not.toContain(signature)
      }
    })

    test('a changed token, one of another issuer, and what is no token end with 1 and the reason', async () => {
      const token = await tokenOf()
      const [header, payload = '', signature] = token.split('.')
      const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), sub: 'someone else' }
      const forged = [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.')
      const reports = [
        await cli(['token', 'inspect', forged]),
        await cli(['token', 'inspect', token], { ISSUER: 'https://other.example.com' }),
        await cli(['token', 'inspect', 'not.a.token']),
      ]
      expect(reports.map(({ status }) => status)).toEqual([1, 1, 1])
      expect(reports.map(({ out }) => /(?:NOT valid: | is )(.*)$/m.exec(out)?.[1])).toEqual([
        'signature verification failed',
        'unexpected "iss" claim value',
        'not a JWT.',
      ])
    })

    test('a published JWKS is enough: no configuration is needed', async () => {
      const listener = await listen(gateway.publicApp, { host: '127.0.0.1', port: 0 })
      const url = `${listener.url}/.well-known/jwks.json`
      const report = await run(['token', 'inspect', await tokenOf(), '--jwks', url, '--json'], {})
      expect([report.status, json(report).valid]).toEqual([0, true])
      await listener.close(0)
    })
  })

  describe('keys', () => {
    test('rotate publishes a key that signs when asked, and list shows both', async () => {
      const before = kidOf(await tokenOf())
      const change = json(await cli(['keys', 'rotate', '--activate-after', '100000', '--json']))
      expect(change.keys).toMatchObject([{ kid: before, state: 'active' }, { state: 'pending' }])
      const listed = await cli(['keys', 'list'])
      expect(listed.status).toBe(0)
      for (const { kid, state } of change.keys) expect(listed.out).toMatch(new RegExp(`^${kid} .*${state}.*k1$`, 'm'))
    })

    test('one command retires a leaked key: the running gateway refuses what it signed and signs with another', async () => {
      const leaked = await tokenOf()
      const { status, out } = await cli(['keys', 'retire', kidOf(leaked)])
      expect(status).toBe(0)
      expect(out).toContain('lua-resty-openidc')
      await expect.poll(() => accepted(leaked), { timeout: 10_000 }).toBe(false)
      const fresh = await tokenOf()
      expect(kidOf(fresh)).not.toBe(kidOf(leaked))
      expect(await accepted(fresh)).toBe(true)
      expect((await cli(['keys', 'retire', kidOf(leaked)])).status).toBe(1)
    })

    test('a key id that begins with a dash is no option', async () => {
      const { status, out } = await cli(['keys', 'retire', `-${'a'.repeat(42)}`])
      expect([status, out]).toEqual([1, expect.stringContaining('no signing key -aaa')])
    })

    test('reseal moves every signing key under the first encryption key and tells until when the old one is needed', async () => {
      const both = { ENCRYPTION_KEYS: `${k2},${testEnvironment.ENCRYPTION_KEYS}` }
      const warned = await cli(['doctor'], both)
      expect([warned.status, warned.out]).toEqual([0, expect.stringContaining('auth-gateway reseal')])
      const moved = await cli(['reseal'], both)
      expect(moved.status).toBe(0)
      expect(moved.out).toMatch(/"k1": 0 signing key\(s\); session_keys until 20.*refresh tokens until 20/)
      expect(moved.err).toMatch(/signing keys: (\d+) of \1/)
      expect(json(await cli(['reseal', '--json'], both))).toMatchObject({ encryptionKey: 'k2', resealed: [], lost: [] })
      expect((await cli(['keys', 'list'], { ENCRYPTION_KEYS: k2 })).status).toBe(0)
      const stranded = await cli(['keys', 'list'])
      expect([stranded.status, stranded.out]).toEqual([1, expect.stringContaining('cannot be opened')])
    })
  })
})
