/** Tokens that no service may accept, made from a good one and from what an attacker can get. */
import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto'
import { decodeProtectedHeader, generateKeyPair, type JWTPayload, SignJWT } from 'jose'

export type BadTokens = Record<string, string>

/** For every reader: whatever its audience. */
export async function forgeries(good: string, issuer: string): Promise<BadTokens> {
  const [header = '', payload = '', signature = ''] = good.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as JWTPayload
  const { kid = '' } = decodeProtectedHeader(good)
  const { privateKey } = await generateKeyPair('ES256')
  const sign = (changed: JWTPayload) =>
    new SignJWT({ ...claims, ...changed }).setProtectedHeader({ alg: 'ES256', kid, typ: 'JWT' }).sign(privateKey)
  const otherUser = encode({ ...claims, sub: '00000000-0000-4000-8000-000000000000' })

  const { keys } = (await (await fetch(`${issuer}/.well-known/jwks.json`)).json()) as {
    keys: (JsonWebKey & { kid: string })[]
  }
  const published = keys.find((key) => key.kid === kid)
  if (published === undefined) throw new Error('the key of a good token is not published')
  const pem = createPublicKey({ key: published, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
  const hmacHead = `${encode({ alg: 'HS256', kid, typ: 'JWT' })}.${payload}`

  return {
    'a tampered token': `${header}.${otherUser}.${signature}`,
    'an unsigned token': `${encode({ alg: 'none', kid, typ: 'JWT' })}.${payload}.`,
    // RFC 8725 section 2.1: the public key taken for an HMAC secret.
    'a token signed with the public key': `${hmacHead}.${createHmac('sha256', pem).update(hmacHead).digest('base64url')}`,
    'a token of another issuer': await sign({ iss: 'https://evil.example.com', aud: 'https://evil.example.com' }),
    'a forged token under the name of our key': await sign({}),
    'no JWT at all': 'nonsense',
  }
}

/** The gateway's own signed statement about sessions, which is no access token though key and issuer are right. */
export async function statusListOf(good: string): Promise<string> {
  const payload = JSON.parse(Buffer.from(good.split('.')[1] ?? '', 'base64url').toString())
  const reply = await fetch(payload.status.status_list.uri)
  if (!reply.ok) throw new Error(`the status list is answered ${reply.status}`)
  return (await reply.text()).trim()
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
