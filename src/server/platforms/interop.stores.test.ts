/** The whole promise between processes: a mini program logs in over HTTP, and services that know the JWKS alone verify its token. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Hono } from 'hono'
import { jwk } from 'hono/jwk'
import { createRemoteJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { freePort } from '../../dev/services/service.ts'
import { openTestStores, type TestStores } from '../../dev/testing/real-stores.ts'
import { type Envelope, testEnvironment } from '../../dev/testing/test-gateway.ts'

const AUDIENCE = 'https://orders.example.com'
const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))

type Process = { child: ChildProcess; text(): string; exit: Promise<number | null> }
const running: Process[] = []
function start(path: string, args: string[], env: Record<string, string>): Process {
  const child = spawn(process.execPath, [file(path), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const one = { child, text: () => output, exit: once(child, 'close').then(([status]) => status as number | null) }
  running.push(one)
  return one
}

const answers = (url: string) =>
  vi.waitFor(async () => expect((await fetch(url)).status).toBe(200), { timeout: 20_000, interval: 50 })

describe.runIf(inject('stores') === 'real').each(['ES256', 'RS256'])('a gateway process that signs with %s', (alg) => {
  let stores: TestStores
  let gateway: Process
  let environment: Record<string, string>
  let issuer: string
  let wechat: string

  beforeAll(async () => {
    stores = await openTestStores()
    const [port, adminPort, wechatPort] = [await freePort(), await freePort(), await freePort()]
    issuer = `http://127.0.0.1:${port}`
    wechat = `http://127.0.0.1:${wechatPort}`
    start('../../dev/simulator/main.ts', ['--port', String(wechatPort), '--app', 'wx1:wechat-secret'], {})
    environment = {
      ENCRYPTION_KEYS: testEnvironment.ENCRYPTION_KEYS,
      ISSUER: issuer,
      AUDIENCE,
      DATABASE_URL: stores.databaseUrl,
      REDIS_URL: stores.redisUrl,
      WECHAT_APPID: 'wx1',
      WECHAT_SECRET: 'wechat-secret',
      WECHAT_API_BASE: wechat,
      HOST: '127.0.0.1',
      PORT: String(port),
      ADMIN_HOST: '127.0.0.1',
      ADMIN_PORT: String(adminPort),
      SHUTDOWN_DELAY_SECONDS: '0',
      RATE_LIMIT: 'off',
      SIGNING_ALG: alg,
    }
    gateway = start('../../main.ts', [], environment)
    await answers(`http://127.0.0.1:${adminPort}/readyz`)
    await answers(`${wechat}/simulator/stats`)
  })
  afterAll(async () => {
    for (const { child } of running.splice(0)) child.kill('SIGKILL')
    await stores.close()
  })

  async function post(path: string, body: unknown) {
    const reply = await fetch(issuer + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return { status: reply.status, body: (await reply.json()) as Envelope }
  }
  // New for each run: another gateway on the same Redis would be given the result of the same code.
  const newCode = () => `dev:${randomUUID()}:1`
  const login = () => post('/api/login', { code: newCode() })
  const forged = (token: string) =>
    token.replace(/\.[^.]*$/, (signature) => `.${[...signature.slice(1)].reverse().join('')}`)

  test('logs in, refreshes and logs out over HTTP', async () => {
    const first = await login()
    expect(first).toMatchObject({
      status: 200,
      body: { code: '00000', data: { is_new_user: true, token_type: 'Bearer' } },
    })
    const { refresh_token, user_id } = first.body.data
    const second = await post('/api/refresh', { refresh_token })
    expect(second.body.data.user_id).toBe(user_id)
    expect((await post('/api/logout', { refresh_token: second.body.data.refresh_token })).body.code).toBe('00000')
    expect((await post('/api/refresh', { refresh_token: second.body.data.refresh_token })).body.code).toBe('A0230')
  })

  test('publishes metadata from which the issuer alone leads to the keys', async () => {
    for (const name of ['openid-configuration', 'oauth-authorization-server']) {
      const metadata = (await (await fetch(`${issuer}/.well-known/${name}`)).json()) as Record<string, unknown>
      expect(metadata).toMatchObject({
        issuer,
        jwks_uri: `${issuer}/.well-known/jwks.json`,
        id_token_signing_alg_values_supported: [alg],
      })
    }
  })

  test('jose with createRemoteJWKSet accepts its token, and no forged one', async () => {
    const { body } = await login()
    const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))
    const checks = { issuer, audience: AUDIENCE, algorithms: [alg], typ: 'JWT' }
    const { payload } = await jwtVerify(body.data.token, keys, checks)
    expect(payload).toMatchObject({ sub: body.data.user_id, client_id: 'wx1' })
    await expect(jwtVerify(forged(body.data.token), keys, checks)).rejects.toThrow('signature')
    await expect(jwtVerify(body.data.token, keys, { ...checks, audience: 'https://other' })).rejects.toThrow('aud')
  })

  test("Hono's jwk() accepts its token, and no forged one", async () => {
    const { body } = await login()
    const app = new Hono<{ Variables: { jwtPayload: { sub: string } } }>()
    const keys = async () =>
      ((await (await fetch(`${issuer}/.well-known/jwks.json`)).json()) as JSONWebKeySet).keys as []
    app.use(jwk({ keys, alg: [alg as 'ES256'], verification: { iss: issuer, aud: AUDIENCE } }))
    app.get('/', (c) => c.text(c.get('jwtPayload').sub))
    const ask = (token: string) => app.request('/', { headers: { authorization: `Bearer ${token}` } })
    expect(await (await ask(body.data.token)).text()).toBe(body.data.user_id)
    expect((await ask(forged(body.data.token))).status).toBe(401)
  })

  test('PyJWT accepts its token, and no forged one', async () => {
    const { body } = await login()
    const ask = (token: string) =>
      spawnSync(pythonWithJwt(), ['-c', PYTHON, `${issuer}/.well-known/jwks.json`, token, alg, issuer, AUDIENCE], {
        encoding: 'utf8',
      })
    expect(ask(body.data.token)).toMatchObject({ status: 0, stdout: `${body.data.user_id}\n` })
    expect(ask(forged(body.data.token)).stderr).toContain('InvalidSignatureError')
  })

  test('a second process on the same stores signs with the same key, and repeats a login of the first', async () => {
    const port = await freePort()
    const replica = start('../../main.ts', [], { ...environment, PORT: String(port), ADMIN_PORT: '0' })
    await expect.poll(replica.text, { timeout: 20_000 }).toContain('"ready"')
    const jwks = await Promise.all(
      [issuer, `http://127.0.0.1:${port}`].map(async (base) => (await fetch(`${base}/.well-known/jwks.json`)).text()),
    )
    expect(jwks[0]).toBe(jwks[1])
    const code = newCode()
    const one = await post('/api/login', { code })
    const two = await fetch(`http://127.0.0.1:${port}/api/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code }),
    })
    expect(((await two.json()) as Envelope).data.refresh_token).toBe(one.body.data.refresh_token)
    replica.child.kill('SIGTERM')
    expect(await replica.exit).toBe(0)
  })

  test('SIGTERM while the database has never answered ends with 0', async () => {
    const away = start('../../main.ts', [], {
      ...environment,
      DATABASE_URL: 'postgres://127.0.0.1:9/none',
      PORT: '0',
      ADMIN_PORT: '0',
    })
    await expect.poll(away.text, { timeout: 20_000 }).toContain('waiting for PostgreSQL')
    away.child.kill('SIGTERM')
    expect(await away.exit).toBe(0)
    expect(away.text()).not.toContain('cannot start')
  })

  test('SIGTERM lets a login that is under way finish, and then ends with 0', async () => {
    await fetch(`${wechat}/simulator/faults`, { method: 'POST', body: '{"delayMs":1000,"times":1}' })
    const slow = login()
    const arrived = async () =>
      ((await (await fetch(`${wechat}/simulator/stats`)).json()) as { inFlight: number }).inFlight
    await expect.poll(arrived).toBe(1)
    gateway.child.kill('SIGTERM')
    expect((await slow).status).toBe(200)
    expect(await gateway.exit).toBe(0)
    await expect(fetch(issuer)).rejects.toThrow('fetch failed')
  })
})

const PYTHON = `
import sys, jwt
jwks_uri, token, alg, issuer, audience = sys.argv[1:]
key = jwt.PyJWKClient(jwks_uri).get_signing_key_from_jwt(token)
print(jwt.decode(token, key.key, algorithms=[alg], issuer=issuer, audience=audience, options={"require": ["exp", "sub", "iss", "aud"]})["sub"])
`

/** Debian's own Python with its packages; as root they are installed when they are missing, else this fails loudly. */
function pythonWithJwt(): string {
  const python = '/usr/bin/python3'
  const has = () => existsSync(python) && spawnSync(python, ['-c', 'import jwt, cryptography']).status === 0
  if (has()) return python
  for (const args of [
    ['update', '-q'],
    ['install', '-y', '-q', '--no-install-recommends', 'python3-jwt', 'python3-cryptography'],
  ])
    spawnSync('apt-get', args, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
  if (has()) return python
  throw new Error('PyJWT is not here and could not be installed: apt-get install python3-jwt python3-cryptography')
}
