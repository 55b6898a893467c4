/** Canaries: after logins, refreshes and failures of all kinds, no secret stands in the clear in a log, a table or the cache. */
import { createDecipheriv, hkdfSync } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from './test-gateway.ts'

const ADMIN_SECRET = 'admin-secret-canary-0123456789abcdef'
const PATH = '/sns/jscode2session'
const secrets = new Map<string, string>()
const keep = (name: string, value: unknown) => {
  if (typeof value !== 'string' || value.length < 8) throw new Error(`${name} is no canary`)
  secrets.set(`${name} ${secrets.size}`, value)
  return value
}

let gateway: TestGateway
let printed = ''

beforeAll(async () => {
  gateway = await startTestGateway({ environment: { ADMIN_TOKENS: `ops:admin:${ADMIN_SECRET}` } })
  const { simulator } = gateway
  keep('AppSecret', APP_SECRET)
  keep('admin token', ADMIN_SECRET)
  keep('encryption key', String(gateway.environment.ENCRYPTION_KEYS).slice(3))

  const login = async (person: string, bring: () => object = () => ({})) => {
    const code = keep('login code', simulator.login(APPID, person))
    const reply = await gateway.post('/api/login', { code, device: 'phone', ...bring() })
    keep('session_key', simulator.sessionKeyOf(APPID, person))
    if (reply.status === 200) {
      keep('access token', reply.body.data.token)
      keep('signature of an access token', reply.body.data.token.split('.')[2])
      keep('refresh token', reply.body.data.refresh_token)
    }
    return reply
  }

  const first = await login('plain')
  const signed = await login('signed', () => {
    const { rawData, signature } = simulator.userInfo(APPID, 'signed')
    return { rawData, signature }
  })
  expect(signed.status).toBe(200)
  await login('mismatched', () => ({ rawData: '{}', signature: '0'.repeat(40) }))
  await login('undecipherable', () => ({ encryptedData: 'AAAA', iv: 'AAAA' }))
  await gateway.post('/api/login', {
    code: keep('spent code', [...secrets].find(([name]) => name.startsWith('login code'))?.[1]),
  })

  const second = await gateway.post('/api/refresh', { refresh_token: first.body.data.refresh_token })
  const third = await gateway.post('/api/refresh', {
    refresh_token: keep('refresh token', second.body.data.refresh_token),
  })
  keep('access token', second.body.data.token)
  keep('refresh token', third.body.data.refresh_token)
  await gateway.post('/api/refresh', { refresh_token: first.body.data.refresh_token })
  await gateway.post('/api/refresh', {
    refresh_token: keep('forged token', `${first.body.data.refresh_token.slice(0, -4)}AAAA`),
  })

  const leaving = await login('leaving')
  await gateway.call('POST', '/api/logout', { token: leaving.body.data.token })
  await gateway.call('POST', '/api/logout', { token: keep('broken token', `${leaving.body.data.token}x`) })
  // Secrets in every wrong place of a request.
  const stray = leaving.body.data.refresh_token
  await gateway.call('GET', `/api/refresh?refresh_token=${stray}`)
  await gateway.call('GET', `/${stray}`)
  await gateway.post('/api/refresh', `{"refresh_token":"${stray}"`)
  await gateway.post('/api/refresh', { refresh_token: { nested: stray } })
  await gateway.call('POST', '/api/logout', { headers: { authorization: `Basic ${stray}` } })
  await gateway.internalApp.request(`/readyz?token=${ADMIN_SECRET}`, {
    headers: { authorization: `Bearer ${ADMIN_SECRET}` },
  })

  for (const fault of [
    { errcode: -1 },
    { errcode: 40125, errmsg: `invalid appsecret ${APP_SECRET}` },
    { errcode: 45011 },
    { errcode: 40029 },
    { body: `{"openid":"o","session_key":"${keep('truncated session_key', 'truncated-canary-01')}"` },
    { body: `{"session_key":"${keep('lone session_key', 'lonely-canary-01')}"}` },
    { httpStatus: 500, body: APP_SECRET },
    { drop: true },
  ]) {
    simulator.fail({ path: PATH, ...fault })
    await login(`under ${JSON.stringify(fault)}`)
    simulator.clearFaults()
  }

  const rows = await gateway.stores.database.run<{ kid: string }>(
    { name: 'kids', text: 'select kid from signing_keys' },
    [],
  )
  expect(rows).toHaveLength(1)
  for (const sealed of await sealedKeys()) keep('private key', JSON.parse(unseal(sealed)).d)
  printed = gateway.logs()
})
afterAll(() => gateway.close())

async function sealedKeys(): Promise<string[]> {
  const { database } = gateway.stores
  const rows = await database.run<{ sealed: string }>(
    { name: 'sealed', text: 'select sealed_private_jwk as sealed from signing_keys' },
    [],
  )
  return rows.map((row) => row.sealed)
}

/** Sealing undone by hand, without the associated data's check: what is searched for must be the real key. */
function unseal(sealed: string): string {
  const bytes = Buffer.from(sealed.split('.')[2] ?? '', 'base64url')
  const secret = Buffer.from(String(gateway.environment.ENCRYPTION_KEYS).slice(3), 'base64')
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'seal:signing-key', 32))
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
  return decipher.update(bytes.subarray(12, -16)).toString('utf8')
}

/** Every form in which a secret might stand there. */
const forms = (secret: string) => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64').replace(/=+$/, '').slice(0, -2),
  Buffer.from(secret).toString('base64url').slice(0, -2),
  Buffer.from(secret).toString('hex'),
]
function found(text: string): string[] {
  return [...secrets].filter(([, secret]) => forms(secret).some((form) => text.includes(form))).map(([name]) => name)
}

async function tables(): Promise<string> {
  const { database } = gateway.stores
  const names = await database.run<{ name: string }>(
    {
      name: 'tables',
      text: "select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
    },
    [],
  )
  expect(names.map((row) => row.name)).toEqual(
    expect.arrayContaining(['users', 'sessions', 'signing_keys', 'audit_events']),
  )
  const dumps = names.map(({ name }) =>
    database.run<{ row: string }>({ name: `dump_${name}`, text: `select t::text as row from "${name}" t` }, []),
  )
  return (await Promise.all(dumps))
    .flat()
    .map((row) => row.row)
    .join('\n')
}

async function cached(): Promise<string> {
  const { cache, redisUrl, kind } = gateway.stores
  if (kind === 'embedded' && 'dump' in cache && typeof cache.dump === 'function') return cache.dump()
  const redis = new Redis(redisUrl)
  const lines: string[] = []
  for (const key of await redis.keys('*')) {
    const type = await redis.type(key)
    const value =
      type === 'string' ? await redis.get(key) : type === 'stream' ? await redis.xrange(key, '-', '+') : type
    lines.push(`${key} ${JSON.stringify(value)}`)
  }
  redis.disconnect()
  return lines.join('\n')
}

test('there is something to find: the search would see each of them', async () => {
  expect(secrets.size).toBeGreaterThan(30)
  expect([...secrets.keys()].some((name) => name.startsWith('private key'))).toBe(true)
  for (const [name, secret] of secrets) expect(found(`before ${secret} after`)).toContain(name)
})

test('no log line holds a secret', () => {
  expect(printed.split('\n').length).toBeGreaterThan(20)
  expect(found(printed)).toEqual([])
})

test('no column of any table holds a secret', async () => {
  // Refusals are written soon, not at once.
  await expect.poll(tables).toContain('login_refused')
  const dump = await tables()
  expect(found(dump)).toEqual([])
})

test('no key and no value of the cache holds a secret', async () => {
  const dump = await cached()
  expect(dump).toContain('session-key:')
  expect(found(dump)).toEqual([])
})
