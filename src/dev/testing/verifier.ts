/** A whole issuer in memory for the verifier's tests: keys, metadata, JWKS and status lists, behind a `fetch` that counts. */

import { setImmediate as turn } from 'node:timers/promises'
import { deflateSync } from 'node:zlib'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { vi } from 'vitest'
import type { Algorithm } from '../../sdk/verifier/keys.ts'

export const AUDIENCE = 'https://orders.example.com'
export const CLIENT_ID = 'wx0000000000000001'

type SigningKey = { kid: string; alg: Algorithm; privateKey: CryptoKey; jwk: JWK }
type Claims = Record<string, unknown>
export type TestIssuer = Awaited<ReturnType<typeof createTestIssuer>>

export async function createTestIssuer({
  issuer = 'https://auth.example.com',
  algorithm = 'ES256' as Algorithm,
  jwksHeaders = { 'cache-control': 'public, max-age=300' } as Record<string, string>,
} = {}) {
  const requests: string[] = []
  const overrides = new Map<string, () => Response | Promise<Response>>()
  const published: JWK[] = []
  const ended = new Set<number>()
  const listUri = `${issuer}/status-lists/1`
  let active = await publishKey('key-1', algorithm)
  let down = false
  let unchanged = false

  async function publishKey(kid: string, alg: Algorithm = algorithm): Promise<SigningKey> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }
    published.push(jwk)
    return { kid, alg, privateKey, jwk }
  }

  const epoch = (): number => Math.floor(Date.now() / 1000)

  /** A good access token for the session at `index`, with claims and header changed at will; `undefined` leaves one out. */
  async function token({ index = 0, claims = {} as Claims, header = {} as Claims, key = active } = {}) {
    const payload = {
      iss: issuer,
      sub: 'user-1',
      aud: AUDIENCE,
      client_id: CLIENT_ID,
      iat: epoch(),
      exp: epoch() + 900,
      jti: 'token-1',
      sid: `session-${index}`,
      status: { status_list: { idx: index, uri: listUri } },
      ...claims,
    }
    const protectedHeader = { alg: key.alg, kid: key.kid, typ: 'JWT', ...header }
    return new SignJWT(payload).setProtectedHeader(protectedHeader).sign(key.privateKey)
  }

  /** The status list as the gateway would sign it now. */
  async function statusList({ claims = {} as Claims, header = {} as Claims, bytes = bitmap(ended), bits = 1 } = {}) {
    const lst = deflateSync(bytes, { level: 9 }).toString('base64url')
    const payload = { sub: listUri, iat: epoch(), exp: epoch() + 600, ttl: 30, status_list: { bits, lst }, ...claims }
    const protectedHeader = { alg: active.alg, kid: active.kid, typ: 'statuslist+jwt', ...header }
    return new SignJWT(payload).setProtectedHeader(protectedHeader).sign(active.privateKey)
  }

  async function answer(path: string, ifNoneMatch: string | null): Promise<Response> {
    if (down) throw new TypeError('fetch failed')
    const override = overrides.get(path)
    if (override) return override()
    if (path === '/.well-known/openid-configuration') {
      return Response.json({
        issuer,
        jwks_uri: `${issuer}/.well-known/jwks.json`,
        status_list_aggregation_endpoint: `${issuer}/status-lists`,
      })
    }
    if (path === '/.well-known/jwks.json') return Response.json({ keys: published }, { headers: jwksHeaders })
    if (path === '/status-lists') return Response.json({ status_lists: [listUri] })
    if (path === '/status-lists/1') {
      if (unchanged && ifNoneMatch === '"list"') return new Response(null, { status: 304 })
      return new Response(await statusList(), { headers: { etag: '"list"' } })
    }
    return new Response(null, { status: 404 })
  }

  return {
    issuer,
    listUri,
    /** Every path asked for, in order. */
    requests,
    asked: (path: string) => requests.filter((requested) => requested === path).length,
    token,
    statusList,
    publishKey,
    /** The JWKS as it stands; change it at will. */
    published,
    activate: (key: SigningKey) => {
      active = key
    },
    key: () => active,
    /** Paths that shall answer something else. */
    overrides,
    ended,
    setDown: (value: boolean) => {
      down = value
    },
    setUnchanged: (value: boolean) => {
      unchanged = value
    },
    answer,
    fetch: (async (input: string | URL | Request, init?: RequestInit) => {
      const path = new URL(String(input)).pathname
      requests.push(path)
      return answer(path, new Headers(init?.headers).get('if-none-match'))
    }) satisfies typeof fetch,
  }
}

/** A bitmap as the draft wants it, least significant bit first. */
function bitmap(indexes: ReadonlySet<number>, size = 1024): Uint8Array {
  const bytes = new Uint8Array(size / 8)
  for (const index of indexes) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (1 << (index & 7))
  return bytes
}

/** Waits for background work, which ends on other threads, without moving the (faked) clock. */
export async function until(condition: () => boolean): Promise<void> {
  const start = process.hrtime.bigint() // The one clock that no test fakes.
  while (!condition()) {
    if (process.hrtime.bigint() - start > 5_000_000_000n) throw new Error('what was awaited did not happen')
    await turn()
  }
}

/**
 * Moves the (faked) clock and waits until every fetch that became due is over: a fetch under way has spent its timer,
 * one that is over has set the next.
 */
export async function advance(seconds: number): Promise<void> {
  const idle = vi.getTimerCount()
  await vi.advanceTimersByTimeAsync(seconds * 1000)
  await until(() => vi.getTimerCount() === idle)
}
