/** Section 7: the access token, as services of other teams meet it. */
import { createHash, createHmac } from 'node:crypto'
import { type CryptoKey, createLocalJWKSet, exportSPKI, importJWK, type JSONWebKeySet, jwtVerify } from 'jose'
import { expectDone, expectRefused, expectSame, expectThat, inspect, sleep } from '../checks.ts'
import { CannotTest, type Requirement, type Section, Unmet } from '../requirement.ts'
import { fetchStatusList, pathOf } from '../status-list.ts'
import { claimsOf, headerOf, issuerOf, keysOf, statusOf } from '../tokens.ts'
import type { World } from '../world.ts'
import { spareBitsOf } from './refresh.ts'

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

async function expectNoAccess({ service }: World, token: string, what: string): Promise<void> {
  expectRefused(service, await service.me(token), 'tokenInvalid', what)
}

const requirements: Requirement[] = [
  {
    id: 'MPL-7.1',
    text: 'An access token MUST verify with a stock library under the published keys, signed by an asymmetric algorithm under a kid that is published.',
    why: 'A service in any language verifies it without a shared secret and without asking.',
    how: 'jose, the JWKS, and nothing else.',
    source: 'RFC 8725 sections 3.1 and 3.2; RFC 7515',
    needs: ['jwt', 'jwks'],
    async check(world) {
      const { access } = await world.signIn()
      const { alg, kid } = headerOf(access)
      expectThat(/^(ES|RS|PS)(256|384|512)$|^EdDSA$|^Ed25519$/.test(alg ?? ''), 'an asymmetric alg', inspect(alg))
      const keys = await keysOf(world)
      expectThat(
        keys.some((key) => key.kid === kid),
        `a kid among ${keys.length} published`,
        inspect(kid),
      )
      await jwtVerify(access, createLocalJWKSet({ keys } as JSONWebKeySet)).catch((error: unknown) => {
        throw new Unmet('a token that verifies', String(error))
      })
    },
  },
  {
    id: 'MPL-7.2',
    text: 'An access token MUST say iss, sub, aud, exp, iat and jti, and what else the profile promises; iss is the published issuer, sub the user.',
    why: 'Verifiers check iss and aud; logs and lists need jti; a token for everybody is a token for the weakest service.',
    how: 'The claims of a fresh token.',
    source: 'RFC 9068 section 2.2; RFC 8725 sections 3.8 and 3.9',
    needs: ['jwt'],
    async check(world) {
      const { access, user } = await world.signIn()
      const claims = claimsOf(access)
      const names = ['iss', 'sub', 'aud', 'exp', 'iat', 'jti', ...(world.profile.accessToken?.claims ?? [])]
      expectSame(
        'missing claims',
        names.filter((name) => claims[name] === undefined),
        [],
      )
      const issuer = await issuerOf(world)
      expectSame('iss and sub', [claims.iss, claims.sub], [issuer || claims.iss, user])
      const audience = world.profile.accessToken?.audience
      if (audience !== undefined)
        expectThat([claims.aud].flat().includes(audience), `aud ${audience}`, inspect(claims.aud))
    },
  },
  {
    id: 'MPL-7.3',
    text: 'A single audience SHOULD be a text, not a list of one.',
    why: 'Some gateways compare it as text.',
    how: 'The aud of a fresh token.',
    source: 'RFC 7519 section 4.1.3',
    needs: ['jwt'],
    async check(world) {
      const { aud } = claimsOf((await world.signIn()).access)
      expectThat(!Array.isArray(aud) || aud.length !== 1, 'a text', inspect(aud))
    },
  },
  {
    id: 'MPL-7.4',
    text: 'The header typ MUST tell access tokens from other JWTs under the same keys, as the profile says.',
    why: 'A status list, an id token or an event signed by the same key must not open a door.',
    how: 'The typ of a fresh token; a status list in the place of an access token, where there is one.',
    source: 'RFC 8725 section 3.11; RFC 9068 section 2.1',
    needs: ['jwt'],
    async check(world) {
      const { access } = await world.signIn()
      const types = world.profile.accessToken?.types ?? []
      expectThat(types.includes(String(headerOf(access).typ)), types.join(' or '), inspect(headerOf(access).typ))
      if (!world.profile.statusList || !world.profile.me) return
      const list = await fetchStatusList(world, pathOf(statusOf(access).uri, await issuerOf(world)))
      await expectNoAccess(world, list.answer.text, 'a status list as access token')
    },
  },
  {
    id: 'MPL-7.5',
    text: 'An access token MUST live as long as the reply says, and no longer than an hour (or the profile’s limit).',
    why: 'Its end is the bound for whoever does not look at revocation.',
    how: 'exp − iat against expires_in.',
    source: 'RFC 9700 section 2.2.1; RFC 6749 section 5.1',
    needs: ['jwt'],
    async check(world) {
      const { access, expiresIn } = await world.signIn()
      const { iat = 0, exp = 0 } = claimsOf(access)
      const most = world.profile.accessToken?.atMostSeconds ?? 3600
      expectThat(exp - iat > 0 && exp - iat <= most, `between 1 and ${most} s`, `${exp - iat} s`)
      if (expiresIn !== undefined)
        expectThat(Math.abs(exp - iat - expiresIn) <= 1, `exp − iat of expires_in, ${expiresIn} s`, `${exp - iat} s`)
    },
  },
  {
    id: 'MPL-7.6',
    text: 'No two access tokens MUST have the same jti.',
    why: 'A list of denied tokens is keyed by it.',
    how: '20 tokens of one person and of many, logins and refreshes.',
    source: 'RFC 7519 section 4.1.7',
    needs: ['jwt'],
    async check(world) {
      const person = world.someone()
      const tokens: string[] = []
      for (let each = 1; each <= 10; each += 1)
        tokens.push((await world.signIn(person)).access, (await world.signIn()).access)
      expectSame('different jti', new Set(tokens.map((token) => claimsOf(token).jti)).size, tokens.length)
    },
  },
  {
    id: 'MPL-7.7',
    text: 'A token that was changed MUST be refused: other claims, alg none, HS256 under the public key, an unknown kid, no signature, a key of its own in the header.',
    why: 'Each of them was a CVE of a JWT library or of its use.',
    how: 'Each of them at the service.',
    source: 'RFC 8725 section 2; CVE-2026-22817, CVE-2026-22818, CVE-2023-48223',
    needs: ['jwt', 'jwks', 'me'],
    async check(world) {
      const [{ access }, victim] = [await world.signIn(), await world.signIn()]
      expectDone(world.service, await world.service.me(access), 'the good token')
      for (const [what, token] of await forgeriesOf(world, access, victim.user ?? 'somebody else'))
        await expectNoAccess(world, token, what)
    },
  },
  {
    id: 'MPL-7.8',
    text: 'An access token MUST have one spelling: no padding, no white space, no spare bits.',
    why: 'Two texts for one token pass every list that is keyed by the text.',
    how: 'The good token with `=`, with changed spare bits in the last character, and padded segments.',
    source: 'RFC 7515 section 2; RFC 4648 section 3.5',
    needs: ['jwt', 'me'],
    async check(world) {
      const { access } = await world.signIn()
      const [header = '', claims = '', signature = ''] = access.split('.')
      const padded = [
        `${access}=`,
        `${access}==`,
        `${header}=.${claims}.${signature}`,
        `${header}.${claims}=.${signature}`,
      ]
      for (const token of [...padded, ...spareBitsOf(access)])
        await expectNoAccess(world, token, 'another spelling of an access token')
      expectDone(world.service, await world.service.me(access), 'the good token')
    },
  },
  {
    id: 'MPL-7.9',
    text: 'An expired access token MUST be refused, though its session lives.',
    why: 'A service that looks at the session alone accepts a stolen token for months.',
    how: 'In the app with quick tokens: accepted at first, refused after their lifetime, the refresh token still good.',
    source: 'RFC 7519 section 4.1.4; OWASP ASVS 5.0 9.2.1',
    needs: ['quick app', 'me'],
    async check(world) {
      const { service, profile } = world
      const { quick } = profile.apps
      const session = await world.signIn(world.someone(), { app: quick })
      expectDone(service, await service.me(session.access), 'the fresh token')
      await sleep(((quick?.tokenSeconds ?? 0) + 1.2) * 1000)
      await expectNoAccess(world, session.access, 'an expired access token')
      if (profile.refresh) expectDone(service, await service.refresh(session.refresh ?? ''), 'the refresh')
    },
  },
  {
    id: 'MPL-7.10',
    text: 'An access token MUST NOT outlive its session’s absolute end.',
    why: 'An offline verifier knows the token alone.',
    how: 'In the app with brief sessions: exp against the session’s length.',
    source: 'OWASP ASVS 5.0 7.3.2',
    needs: ['jwt', 'brief app'],
    async check(world) {
      const { brief } = world.profile.apps
      const { access, expiresIn } = await world.signIn(world.someone(), { app: brief })
      const { iat = 0, exp = 0 } = claimsOf(access)
      const most = brief?.sessionSeconds ?? 0
      expectThat(exp - iat <= most, `at most ${most} s`, `${exp - iat} s`)
      expectThat(expiresIn === undefined || expiresIn <= most, `expires_in of at most ${most}`, `${expiresIn}`)
    },
  },
  {
    id: 'MPL-7.11',
    text: 'A missing or bad access token MUST be answered 401 with WWW-Authenticate: Bearer.',
    why: 'A client that sees 403 or 200 does not refresh; a stock client reads the header.',
    how: 'Requests without a token, with Basic, with an empty and with a nonsense token.',
    source: 'RFC 6750 section 3; RFC 9110 section 15.5.2',
    needs: ['me'],
    async check(world) {
      const { service } = world
      for (const authorization of ['', 'Basic dXNlcjpwYXNz', 'Bearer', 'Bearer nonsense', 'nonsense']) {
        const answer = await service.me('', { headers: { authorization } })
        expectRefused(service, answer, 'tokenInvalid', `authorization "${authorization}"`)
        const challenge = answer.headers.get('www-authenticate') ?? ''
        expectThat(/^Bearer\b/i.test(challenge), 'WWW-Authenticate: Bearer …', inspect(challenge))
      }
    },
  },
  {
    id: 'MPL-7.12',
    text: 'An access token in the query or in a form MUST NOT be accepted.',
    why: 'URLs stand in logs, histories and Referer headers.',
    how: '`?access_token=` and `?token=` without a header.',
    source: 'RFC 9700 section 4.3.2; RFC 6750 section 2.3',
    needs: ['me'],
    async check(world) {
      const { service, profile } = world
      const { access } = await world.signIn()
      for (const name of ['access_token', 'token']) {
        const path = `${profile.me?.path}?${name}=${access}`
        expectRefused(
          service,
          await service.me('', { path, headers: { authorization: '' } }),
          'tokenInvalid',
          `?${name}=`,
        )
      }
    },
  },
  {
    id: 'MPL-7.13',
    text: 'iat MUST be the present time: within 5 seconds of the reply’s Date and of the runner’s clock.',
    why: 'A token of tomorrow is refused, a token of yesterday expires early; with two replicas it is one or the other by chance.',
    how: 'iat of tokens of every replica against both clocks.',
    source: 'RFC 7519 section 4.1.6; CVE-2026-8922 (times compared across machines)',
    needs: ['jwt'],
    async check(world) {
      for (let base = 0; base < world.service.bases.length; base += 1) {
        const { access, answer } = await world.signIn(world.someone(), { base })
        const { iat = 0 } = claimsOf(access)
        const date = Date.parse(answer.headers.get('date') ?? '') / 1000
        for (const now of [Date.now() / 1000, ...(Number.isNaN(date) ? [] : [date])])
          expectThat(Math.abs(now - iat) <= 5, 'iat within 5 s of now', `${Math.round(iat - now)} s off`)
      }
    },
  },
]

export const accessTokens: Section = {
  title: 'Access tokens',
  about: 'Verified by any service on its own, short-lived, unmistakable.',
  requirements,
}

/** `access` with the claims of a victim, or with a header that asks to be believed. */
async function forgeriesOf(world: World, access: string, victim: string): Promise<[string, string][]> {
  const [, , signature = ''] = access.split('.')
  const [header, claims] = [headerOf(access), claimsOf(access)]
  const [jwk] = await keysOf(world)
  if (!jwk) throw new CannotTest('no published key')
  const more = encode({ ...claims, exp: (claims.exp ?? 0) + 3600, sub: victim, roles: ['admin'] })
  const same = encode(claims)
  const hs256 = encode({ ...header, alg: 'HS256' })
  const mac = (input: string, key: string) => createHmac('sha256', key).update(input).digest('base64url')
  const alg = String(jwk.alg ?? 'ES256')
  const pem = await exportSPKI((await importJWK(jwk, alg, { extractable: true })) as CryptoKey)
  const unknown = createHash('sha256').update('unknown').digest('base64url')
  return [
    ['a token with other claims', `${encode(header)}.${more}.${signature}`],
    ['a token with alg none', `${encode({ ...header, alg: 'none' })}.${more}.`],
    ['a token with alg NONE and its signature', `${encode({ ...header, alg: 'NONE' })}.${same}.${signature}`],
    ['a token under HS256 and the public PEM', `${hs256}.${more}.${mac(`${hs256}.${more}`, pem)}`],
    ['a token under HS256 and the public JWK', `${hs256}.${more}.${mac(`${hs256}.${more}`, JSON.stringify(jwk))}`],
    ['a token with an unknown kid', `${encode({ ...header, kid: unknown })}.${same}.${signature}`],
    ['a token without a kid', `${encode({ ...header, kid: undefined })}.${same}.${signature}`],
    ['a token with an empty signature', `${encode(header)}.${same}.`],
    ['a token with a key of its own', `${encode({ ...header, jwk, kid: undefined })}.${more}.${signature}`],
    ['a token of two parts', `${encode(header)}.${same}`],
    ['a token of five parts', `${access}.a.b`],
  ]
}
