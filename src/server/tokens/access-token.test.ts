/** What of the tokens that our own keys signed is an access token of this gateway: right issuer, audience, typ, algorithm and claims. */
import { createPublicKey } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../clients/clients.ts'
import { testClock } from '../clock.ts'
import type { KeyRing } from '../keys/ring.ts'
import { createSigner, generateSigningKey } from '../keys/signing-key.ts'
import { type AccessTokenParts, type AccessTokens, createAccessTokens } from './access-token.ts'

const ISSUER = 'https://auth.example.com'
const AUDIENCE = 'https://api.example.com'
const clock = testClock()
const now = clock.now().getTime() / 1000

let ring: KeyRing
let tokens: AccessTokens
let sign: (header: object, claims: object) => Promise<string>
beforeAll(async () => {
  const { kid, alg, publicJwk, privateJwk } = await generateSigningKey('ES256')
  const signer = createSigner(alg, privateJwk)
  sign = async (header, claims) => {
    const input = [{ alg, kid, ...header }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    return `${input}.${await signer(input)}`
  }
  ring = {
    sign: (typ: string, payload: string) => sign({ typ }, JSON.parse(payload)),
    verificationKey: (id: string) =>
      id === kid ? { key: createPublicKey({ key: { ...publicJwk }, format: 'jwk' }), alg } : undefined,
  } as unknown as KeyRing
  tokens = accessTokens()
})

const accessTokens = (other: Partial<AccessTokenParts> = {}) =>
  createAccessTokens({
    ...{ ring, clock, databaseClock: clock, issuer: ISSUER, type: 'JWT', audiences: [AUDIENCE, 'shop'] },
    statusOf: (idx) => ({ idx, uri: `${ISSUER}/status-lists/0` }),
    ...other,
  })
const client = { id: 'wx1', audience: [AUDIENCE], accessTokenSeconds: 900, claims: [] } as unknown as Client
const subject = { userId: 'user', sid: 'sid', roles: [], statusIndex: 7, sessionEndsAt: now + 9000 }
const refused = { code: 'A0230' }
const claims = {
  ...{ iss: ISSUER, aud: AUDIENCE, sub: 'user', sid: 'sid', client_id: 'wx1', jti: 'a', iat: now, exp: now + 900 },
}

test('a token of ours is read back', async () => {
  const { token } = await tokens.mint(subject, client)
  expect(await tokens.verify(token)).toMatchObject({
    userId: 'user',
    sid: 'sid',
    clientId: 'wx1',
    audience: [AUDIENCE],
  })
  expect(await tokens.verify(await sign({ typ: 'at+jwt' }, claims))).toMatchObject({ userId: 'user' })
  expect(await tokens.verify(await sign({ typ: 'JWT' }, { ...claims, aud: ['other', 'shop'] }))).toBeDefined()
})

describe('signed by our own key, and refused all the same', () => {
  test.each<[string, Partial<AccessTokenParts>, Partial<Client>]>([
    ['of another issuer', { issuer: 'https://other.example.com' }, {}],
    ['of an issuer that only begins alike', { issuer: `${ISSUER}/` }, {}],
    ['for another audience', {}, { audience: ['https://other.example.com'] }],
    ['for several, none of them ours', {}, { audience: ['one', 'two'] }],
    ['of another typ', { type: 'statuslist+jwt' as 'JWT' }, {}],
  ])('%s', async (_, parts, forClient) => {
    const { token } = await accessTokens(parts).mint(subject, { ...client, ...forClient } as Client)
    await expect(tokens.verify(token)).rejects.toMatchObject(refused)
  })

  test.each(['secevent+jwt', 'logout+jwt', 'application/at+jwt', 'jwt', '', undefined])('of typ %s', async (typ) => {
    await expect(tokens.verify(await sign({ typ }, claims))).rejects.toMatchObject(refused)
  })

  test.each(['iss', 'aud', 'sub', 'sid', 'client_id', 'iat', 'exp'])('without %s', async (name) => {
    const { [name as keyof typeof claims]: _, ...rest } = claims
    await expect(tokens.verify(await sign({ typ: 'JWT' }, rest))).rejects.toMatchObject(refused)
  })

  test('that says another algorithm than its key is for, or names a key that is none', async () => {
    await expect(tokens.verify(await sign({ typ: 'JWT', alg: 'ES384' }, claims))).rejects.toMatchObject(refused)
    await expect(tokens.verify(await sign({ typ: 'JWT', kid: 'other' }, claims))).rejects.toMatchObject(refused)
    await expect(tokens.verify(await sign({ typ: 'JWT', kid: undefined }, claims))).rejects.toMatchObject(refused)
  })

  test('from the second on at which it expires', async () => {
    const token = await sign({ typ: 'JWT' }, { ...claims, exp: now + 10 })
    const later = (seconds: number) => ({ databaseClock: testClock(new Date((now + seconds) * 1000)) })
    await expect(accessTokens(later(9)).verify(token)).resolves.toBeDefined()
    await expect(accessTokens(later(10)).verify(token)).rejects.toMatchObject(refused)
  })
})
