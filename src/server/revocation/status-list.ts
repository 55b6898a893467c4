/** Token Status Lists (draft-ietf-oauth-status-list): where a session's bit lies, and how a list of bits is written down. */
import { promisify } from 'node:util'
import { constants, deflate } from 'node:zlib'

const deflateAsync = promisify(deflate)

/** 2^20 sessions a list: small enough to fetch, and old lists die with their sessions. */
export const LIST_BITS = 2 ** 20

export const listOf = (statusIndex: number): number => Math.floor(statusIndex / LIST_BITS)
export const placeOf = (statusIndex: number): number => statusIndex % LIST_BITS

export const aggregationUri = (issuer: string): string => `${issuer}/status-lists`
export const listUri = (issuer: string, list: number): string => `${aggregationUri(issuer)}/${list}`

/** The `status_list` member of a token's `status` claim (section 6.1). */
export const statusReference = (issuer: string) => (statusIndex: number) => ({
  idx: placeOf(statusIndex),
  uri: listUri(issuer, listOf(statusIndex)),
})

/** All sessions of a list, none of them ended. */
export const emptyBits = (): Buffer => Buffer.alloc(LIST_BITS / 8)

/** Marks a session as ended, the least significant bit of a byte first (section 4.1); tells whether that is news. */
export function setBit(bits: Buffer, place: number): boolean {
  const at = place >> 3
  const before = bits[at]
  if (before === undefined) throw new RangeError('no such place in the list')
  const after = before | (1 << (place & 7))
  bits[at] = after
  return after !== before
}

/**
 * The `lst` of a list (section 4.2): zlib at its best level, base64url. It is compressed on the thread pool and from a copy,
 * so that a bit set meanwhile waits for the next time.
 */
export async function compress(bits: Buffer): Promise<string> {
  const compressed = await deflateAsync(Buffer.from(bits), { level: constants.Z_BEST_COMPRESSION })
  return compressed.toString('base64url')
}

export type StatusListClaims = {
  issuer: string
  list: number
  lst: string
  issuedAtSeconds: number
  expiresAtSeconds: number
  ttlSeconds: number
}

/** The payload of a status list token (section 5.1). No `aud`: whoever checks one never takes a list for an access token. */
export const statusListPayload = (claims: StatusListClaims): string =>
  JSON.stringify({
    iss: claims.issuer,
    sub: listUri(claims.issuer, claims.list),
    iat: claims.issuedAtSeconds,
    exp: claims.expiresAtSeconds,
    ttl: claims.ttlSeconds,
    status_list: { bits: 1, lst: claims.lst, aggregation_uri: aggregationUri(claims.issuer) },
  })
