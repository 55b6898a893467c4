/** What both floors share: the least code that logs in, refreshes and publishes keys, with no validation, logs, metrics or limits. */

import { createHmac, generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { Pool as HttpPool } from 'undici'

/** Finds or creates the user and opens the session: where the floors differ. */
export type OpenSession = (login: { openid: string; sid: string; sessionKey: string }) => Promise<string>

export const SESSION_KEY_SECONDS = 259_200
const UPSTREAM_CONNECTIONS = 256

const env = (name: string): string => {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is missing`)
  return value
}

export async function startFloor(
  createOpenSession: (stores: { pool: Pool; redis: Redis }) => OpenSession,
  redisOptions: { enableAutoPipelining?: boolean } = {},
) {
  const pool = new Pool({
    connectionString: env('DATABASE_URL'),
    max: Number(process.env.DATABASE_POOL_MAX ?? 10),
    idleTimeoutMillis: 0,
  })
  await pool.query(SCHEMA)
  const redis = new Redis(env('REDIS_URL'), redisOptions)
  const exchange = createExchange(env('WECHAT_API_BASE'))
  const signer = createSigner()
  const refreshTokens = createRefreshTokens()
  const openSession = createOpenSession({ pool, redis })

  const answer = (userId: string, sid: string, counter: number) => ({
    code: '00000',
    msg: 'ok',
    data: {
      token: signer.mint(userId, sid),
      token_type: 'Bearer',
      expires_in: 900,
      refresh_token: refreshTokens.write(sid, counter),
      user_id: userId,
      nickname: null,
    },
  })
  const publish =
    ({ body, headers }: { body: string; headers: Record<string, string> }) =>
    () =>
      new Response(body, { headers })

  const app = new Hono()
  app.post('/api/login', async (c) => {
    const { code } = await c.req.json<{ code: string }>()
    const { openid, session_key: sessionKey } = await exchange(code)
    const sid = randomUUID()
    return c.json(answer(await openSession({ openid, sid, sessionKey }), sid, 0))
  })
  app.post('/api/refresh', async (c) => {
    const { refresh_token } = await c.req.json<{ refresh_token: string }>()
    const token = refreshTokens.read(refresh_token)
    const found = await pool.query({ name: 'refresh', text: REFRESH, values: [token.sid, token.counter] })
    return c.json(answer(found.rows[0].user_id, token.sid, token.counter + 1))
  })
  const own = { body: signer.jwks, headers: DOCUMENT_HEADERS }
  app.get('/.well-known/jwks.json', publish(own))
  // The contestant's own document and headers, so that the ratio compares the serving of the same bytes.
  app.get('/same-jwks', publish(process.env.SAME_JWKS === undefined ? own : JSON.parse(process.env.SAME_JWKS)))
  serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(env('PORT')) })
}

const SCHEMA = `
create table if not exists users (
  id bigint generated always as identity primary key,
  openid text not null unique,
  created_at timestamptz not null default now(),
  last_login_at timestamptz not null default now());
create table if not exists sessions (
  id uuid primary key,
  user_id bigint not null references users,
  counter integer not null default 0,
  last_used_at timestamptz not null default now(),
  expires_at timestamptz not null)`

const REFRESH = `
update sessions set counter = counter + 1, last_used_at = now()
where id = $1 and counter = $2 and expires_at > now() returning user_id`

const DOCUMENT_HEADERS = {
  'content-type': 'application/json',
  'cache-control': 'public, max-age=300, stale-while-revalidate=60, stale-if-error=86400',
  etag: '"floor"',
}

function createExchange(base: string) {
  const upstream = new HttpPool(base, { connections: UPSTREAM_CONNECTIONS, headersTimeout: 5000, bodyTimeout: 5000 })
  return async (code: string): Promise<{ openid: string; session_key: string }> => {
    const query = `appid=wxbench&secret=bench&js_code=${encodeURIComponent(code)}&grant_type=authorization_code`
    const reply = await upstream.request({ method: 'GET', path: `/sns/jscode2session?${query}` })
    return JSON.parse(await reply.body.text())
  }
}

function createSigner() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const kid = randomBytes(32).toString('base64url')
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const header = encode({ alg: 'ES256', kid, typ: 'JWT' })
  const key = { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' }
  return {
    jwks: JSON.stringify({ keys: [key] }),
    mint(userId: string, sid: string): string {
      const iat = Math.floor(Date.now() / 1000)
      const status = { status_list: { idx: 1, uri: 'http://127.0.0.1/status-lists/1' } }
      const claims = { iss: 'http://127.0.0.1', sub: userId, aud: 'http://127.0.0.1', client_id: 'wxbench' }
      const rest = { iat, exp: iat + 900, jti: randomUUID(), sid, status }
      const input = `${header}.${encode({ ...claims, ...rest })}`
      return `${input}.${joseSignature(sign('sha256', Buffer.from(input), privateKey)).toString('base64url')}`
    },
  }
}

/** DER to r‖s (RFC 7518, 3.4) by hand: on Node 24 asking OpenSSL for the pair makes a signature twice as dear. */
function joseSignature(der: Buffer): Buffer {
  const signature = Buffer.alloc(64)
  let at = 3
  for (const end of [32, 64]) {
    const length = der[at] ?? 0
    const integer = der.subarray(at + 1, at + 1 + length).subarray(-32)
    signature.set(integer, end - integer.length)
    at += length + 2
  }
  return signature
}

function createRefreshTokens() {
  const key = randomBytes(32)
  const mac = (text: string) => createHmac('sha256', key).update(text).digest('base64url')
  return {
    write: (sid: string, counter: number) => `${sid}.${counter}.${mac(`${sid}.${counter}`)}`,
    read(token: string): { sid: string; counter: number } {
      const [sid = '', counter = '', given] = token.split('.')
      if (given !== mac(`${sid}.${counter}`)) throw new Error('forged')
      return { sid, counter: Number(counter) }
    },
  }
}
