/** A service that checks access tokens offline: it keeps a JWKS for as long as it may, and polls status lists at their `ttl`. */
import { inflateSync } from 'node:zlib'
import { compactVerify, decodeProtectedHeader, importJWK, type JWK } from 'jose'
import { config, type Replica } from './world.ts'

export type Claims = { sid: string; exp: number; iat: number; status: { status_list: { idx: number; uri: string } } }
/** What somebody has of a session. */
export type Held = {
  sid: string
  person: number
  refresh: Map<number, string>
  access: { text: string; claims: Claims; kid: string }[]
}
export type Verdict = 'accepted' | 'ended' | 'unknown key'

type Keys = { byKid: Map<string, Awaited<ReturnType<typeof importJWK>>>; atMs: number }

export function createOnlooker() {
  let keys: Keys = { byKid: new Map(), atMs: Number.NEGATIVE_INFINITY }
  const lists = new Map<string, { bits: Buffer; atMs: number }>()

  async function fetchKeys(from: Replica, nowMs: number): Promise<void> {
    const { keys: published } = JSON.parse(from.ring.jwks().body) as { keys: JWK[] }
    const byKid: Keys['byKid'] = new Map()
    for (const jwk of published)
      byKid.set(String(jwk.kid), keys.byKid.get(String(jwk.kid)) ?? (await importJWK(jwk, jwk.alg)))
    keys = { byKid, atMs: nowMs }
  }

  /** Checks the signature. An unknown key makes it ask once more, as the SDKs do. */
  async function signedBy(
    token: string,
    from: Replica,
    nowMs: number,
  ): Promise<{ kid: string; asked: boolean; known: boolean }> {
    const kid = String(decodeProtectedHeader(token).kid)
    const asked = !keys.byKid.has(kid)
    if (asked) await fetchKeys(from, nowMs)
    const key = keys.byKid.get(kid)
    if (key) await compactVerify(token, key)
    return { kid, asked, known: key !== undefined }
  }

  async function fetchList(uri: string, from: Replica, nowMs: number): Promise<void> {
    const jwt = from.lists.find(listNumber(uri))?.jwt
    if (jwt === undefined) return
    if ((await signedBy(jwt, from, nowMs)).known) lists.set(uri, { bits: bitsOf(jwt), atMs: nowMs })
  }

  return {
    /** Fetches what is due. */
    async goOn(from: Replica, nowMs: number): Promise<void> {
      if (nowMs - keys.atMs >= config.jwksMaxAgeSeconds * 1000) await fetchKeys(from, nowMs)
      for (const [uri, { atMs }] of lists)
        if (nowMs - atMs >= config.statusListTtlSeconds * 1000) await fetchList(uri, from, nowMs)
    },
    /** `asked`: its JWKS did not have the key, though it was not too old. */
    async judge(
      token: string,
      claims: Claims,
      from: Replica,
      nowMs: number,
    ): Promise<{ verdict: Verdict; asked: boolean }> {
      const { asked, known } = await signedBy(token, from, nowMs)
      if (!known) return { verdict: 'unknown key', asked }
      const { uri, idx } = claims.status.status_list
      if (!lists.has(uri)) await fetchList(uri, from, nowMs)
      const list = lists.get(uri)
      return { verdict: list && bitAt(list.bits, idx) ? 'ended' : 'accepted', asked }
    },
  }
}

export const bitAt = (bits: Buffer, place: number): boolean => (((bits[place >> 3] ?? 0) >> (place & 7)) & 1) === 1

export function bitsOf(jwt: string): Buffer {
  const { status_list } = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as {
    status_list: { lst: string }
  }
  return inflateSync(Buffer.from(status_list.lst, 'base64url'))
}

export const listNumber = (uri: string): number => Number(uri.split('/').at(-1))
