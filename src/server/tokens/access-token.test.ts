/** What an access token says, and which tokens are believed: the claims one by one, without a store. */
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { memoryKeys, ringOn } from '../../dev/testing/memory-keys.ts'
import type { Client } from '../clients/clients.ts'
import { testClock } from '../clock.ts'
import type { GatewayError } from '../errors.ts'
import type { KeyRing } from '../keys/ring.ts'
import { type AccessTokenParts, createAccessTokens, type TokenSubject } from './access-token.ts'

const ISSUER = 'https://auth.example.com'
const START = new Date('2026-03-01T00:00:00.700Z')
const NOW = Math.floor(START.getTime() / 1000)
const AUDIENCES = ['shop', 'club']

let ring: KeyRing
beforeAll(async () => {
  ring = await newRing()
})

async function newRing(): Promise<KeyRing> {
  const made = ringOn(memoryKeys(), testClock(START))
  await made.tick()
  return made
}

const tokensOf = (parts: Partial<AccessTokenParts> = {}) =>
  createAccessTokens({
    ring,
    clock: testClock(START),
    databaseClock: testClock(START),
    issuer: ISSUER,
    type: 'JWT',
    audiences: AUDIENCES,
    statusOf: (idx) => ({ idx, uri: `${ISSUER}/status-lists/0` }),
    ...parts,
  })

const subject: TokenSubject = {
  userId: 'u1',
  sid: 's1',
  roles: [],
  statusIndex: 7,
  sessionEndsAt: NOW + 10_000,
  platform: 'wechat',
  openid: 'o1',
  unionid: 'un1',
}
const client: Client = {
  kind: 'app',
  platform: 'wechat',
  union: undefined,
  id: 'wx1',
  name: 'Shop',
  audience: ['shop'],
  claims: [],
  accessTokenSeconds: 900,
  idleSeconds: 1000,
  absoluteSeconds: 10_000,
}

const claims = {
  iss: ISSUER,
  sub: 'u1',
  aud: 'shop',
  client_id: 'wx1',
  iat: NOW,
  exp: NOW + 900,
  jti: expect.stringMatching(/^[\w-]{22}$/),
  sid: 's1',
  status: { status_list: { idx: 7, uri: `${ISSUER}/status-lists/0` } },
}

describe('a token says', () => {
  test('who, for whom, until when and where its status stands, and nothing else', async () => {
    const { token, expiresInSeconds } = await tokensOf().mint(subject, client)
    expect(decodeJwt(token)).toStrictEqual(claims)
    expect(decodeProtectedHeader(token)).toStrictEqual({ alg: 'ES256', kid: ring.list()[0]?.kid, typ: 'JWT' })
    expect(expiresInSeconds).toBe(900)
  })

  test('roles, own claims and the external id where there are any, and which of the platform its client asks for', async () => {
    const full = { ...subject, roles: ['editor'], claims: { plan: 'gold' }, externalId: 'crm-1' }
    const { token } = await tokensOf().mint(full, { ...client, claims: ['openid', 'unionid', 'platform'] })
    expect(decodeJwt(token)).toStrictEqual({
      ...claims,
      roles: ['editor'],
      ext: { plan: 'gold' },
      external_id: 'crm-1',
      openid: 'o1',
      unionid: 'un1',
      platform: 'wechat',
    })
  })

  test('no unionid, own claims or external id where the user has none', async () => {
    const bare = { ...subject, unionid: null, claims: null, externalId: null }
    const { token } = await tokensOf().mint(bare, { ...client, claims: ['unionid'] })
    expect(decodeJwt(token)).toStrictEqual(claims)
  })

  test('its audiences as a list where there are several', async () => {
    const { token } = await tokensOf().mint(subject, { ...client, audience: AUDIENCES })
    expect(decodeJwt(token).aud).toStrictEqual(AUDIENCES)
  })

  test('typ at+jwt where that is configured (RFC 9068)', async () => {
    const { token } = await tokensOf({ type: 'at+jwt' }).mint(subject, client)
    expect(decodeProtectedHeader(token).typ).toBe('at+jwt')
  })

  test('another jti each time', async () => {
    const made = await Promise.all(Array.from({ length: 50 }, () => tokensOf().mint(subject, client)))
    expect(new Set(made.map(({ token }) => decodeJwt(token).jti)).size).toBe(50)
  })

  test.each([
    [100.9, 100],
    [0.2, 0],
    [-50, 0],
  ])('an end no later than its session, which ends in %d s', async (seconds, expected) => {
    const { token, expiresInSeconds } = await tokensOf().mint({ ...subject, sessionEndsAt: NOW + seconds }, client)
    expect(decodeJwt(token).exp).toBe(Math.floor(NOW + seconds))
    expect(expiresInSeconds).toBe(expected)
  })
})

const good = { iss: ISSUER, sub: 'u1', aud: 'shop', client_id: 'wx1', iat: NOW, exp: NOW + 900, sid: 's1' }
const signed = (changes: Record<string, unknown> = {}, typ = 'JWT') =>
  ring.sign(typ, JSON.stringify({ ...good, ...changes }))
const refusal = (token: string, parts: Partial<AccessTokenParts> = {}): Promise<GatewayError | undefined> =>
  tokensOf(parts)
    .verify(token)
    .then(
      () => undefined,
      (error) => error,
    )

describe('a token that is ours', () => {
  test('gives back what it says', async () => {
    const full = { ...subject, roles: ['editor', 'admin'] }
    const { token } = await tokensOf().mint(full, { ...client, audience: AUDIENCES })
    expect(await tokensOf().verify(token)).toStrictEqual({
      userId: 'u1',
      sid: 's1',
      clientId: 'wx1',
      audience: AUDIENCES,
      roles: ['editor', 'admin'],
      expiresAt: new Date((NOW + 900) * 1000),
      claims: { ...claims, aud: AUDIENCES, roles: ['editor', 'admin'] },
    })
  })

  test('with one audience and no roles has a list of one and of none', async () => {
    expect(await tokensOf().verify(await signed())).toMatchObject({ audience: ['shop'], roles: [] })
    expect(await tokensOf().verify(await signed({ roles: 'admin' }))).toMatchObject({ roles: [] })
  })

  test.each(['JWT', 'at+jwt'])('is believed with typ %s', async (typ) => {
    expect(await refusal(await signed({}, typ))).toBeUndefined()
  })

  test('is believed for any audience of this gateway, until it expires by the clock of the database', async () => {
    for (const aud of ['club', ['other', 'shop']]) expect(await refusal(await signed({ aud }))).toBeUndefined()
    const late = { clock: testClock(new Date(0)), databaseClock: testClock(new Date((NOW + 899) * 1000)) }
    expect(await refusal(await signed(), late)).toBeUndefined()
  })
})

describe('a token is A0230', () => {
  test.each<[string, Record<string, unknown>]>([
    ['of another issuer', { iss: 'https://auth.example.com.evil.example' }],
    ['of our issuer with a slash more', { iss: `${ISSUER}/` }],
    ['without an issuer', { iss: undefined }],
    ['for another audience', { aud: 'bank' }],
    ['for several, none of them ours', { aud: ['bank', 'post'] }],
    ['without an audience', { aud: undefined }],
    ['without exp', { exp: undefined }],
    ['without iat', { iat: undefined }],
    ['without sub', { sub: undefined }],
    ['without sid', { sid: undefined }],
    ['without client_id', { client_id: undefined }],
    ['that has expired', { exp: NOW }],
    ['that begins later', { nbf: NOW + 60 }],
  ])('%s', async (_what, changes) => {
    expect(await refusal(await signed(changes))).toMatchObject({ code: 'A0230' })
  })

  test.each(['statuslist+jwt', 'secevent+jwt', 'logout+jwt', 'application/at+jwt', 'jwt', ''])(
    'of typ "%s": signed by the same keys for another use',
    async (typ) => {
      expect(await refusal(await signed({}, typ))).toMatchObject({ code: 'A0230' })
    },
  )

  test('that has no typ at all', async () => {
    const [, payload] = (await signed()).split('.')
    const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid: ring.list()[0]?.kid })).toString('base64url')
    expect(await refusal(`${header}.${payload}.${'A'.repeat(86)}`)).toMatchObject({ code: 'A0230' })
    expect(await refusal(await ring.sign(undefined as never, JSON.stringify(good)))).toMatchObject({ code: 'A0230' })
  })

  test('once it has expired by the clock of the database, whatever the clock of this process says', async () => {
    const late = { clock: testClock(new Date(0)), databaseClock: testClock(new Date((NOW + 900) * 1000)) }
    expect(await refusal(await signed(), late)).toMatchObject({ code: 'A0230' })
  })

  test('signed by a key that is not published', async () => {
    const other = await newRing()
    expect(await refusal(await other.sign('JWT', JSON.stringify(good)))).toMatchObject({ code: 'A0230' })
  })

  test.each<[string, Record<string, unknown>]>([
    ['that names no key', { alg: 'ES256', typ: 'JWT' }],
    ['that names another algorithm than its key', { alg: 'HS256', typ: 'JWT', kid: 'OURS' }],
    ['that is unsigned', { alg: 'none', typ: 'JWT', kid: 'OURS' }],
  ])('%s', async (_what, header) => {
    const named = { ...header, ...(header.kid === 'OURS' ? { kid: ring.list()[0]?.kid } : {}) }
    const [, payload, signature] = (await signed()).split('.')
    const text = `${Buffer.from(JSON.stringify(named)).toString('base64url')}.${payload}.${signature}`
    expect(await refusal(text)).toMatchObject({ code: 'A0230' })
  })

  test('whose key is of another algorithm than it says', async () => {
    const key = ring.verificationKey(ring.list()[0]?.kid ?? '')
    const lying = { ...ring, verificationKey: () => key && { ...key, alg: 'RS256' } }
    expect(await refusal(await signed(), { ring: lying })).toMatchObject({ code: 'A0230' })
  })

  test('spelled otherwise: padded, with blanks, line breaks, spare bits, or more or fewer parts', async () => {
    const token = await signed()
    const [header = '', payload = '', signature = ''] = token.split('.')
    // 86 characters hold 516 bits: the last four are spare, and 0.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const spare = signature.slice(0, -1) + alphabet[alphabet.indexOf(signature.at(-1) ?? '') + 1]
    const spellings = [`${token}=`, `${token}==`, ` ${token}`, `${token} `, `${token}\n`, `\n${token}`, `${token}.`]
    spellings.push(`${header}.${payload}=.${signature}`, `${header} .${payload}.${signature}`)
    spellings.push(`${header}.${payload}.${spare}`, `${header}.${payload}`, `.${token}`, `${token}.${signature}`, '')
    for (const spelling of spellings)
      expect([spelling, await refusal(spelling)]).toMatchObject([spelling, { code: 'A0230' }])
  })
})

test('a defect of this gateway is no refusal of the token', async () => {
  const defect = new TypeError('a defect')
  const broken = {
    ...ring,
    verificationKey: () => {
      throw defect
    },
  }
  expect(await refusal(await signed(), { ring: broken })).toBe(defect)
})

test('the log is told which check failed, and nothing of the token', async () => {
  const error = await refusal(await signed({ iss: 'https://evil.example' }))
  expect(error?.message).toBe('access token: ERR_JWT_CLAIM_VALIDATION_FAILED')
})
