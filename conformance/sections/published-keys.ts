/** Section 8: the documents that a resource server reads, and keys that change without anybody noticing. */
import { calculateJwkThumbprint, createLocalJWKSet, type JSONWebKeySet, type JWK, jwtVerify } from 'jose'
import { expectDone, expectSame, expectThat, inspect, sleep } from '../checks.ts'
import { shown } from '../http.ts'
import { CannotTest, type Requirement, type Section, Unmet } from '../requirement.ts'
import { pathOf } from '../status-list.ts'
import { claimsOf, headerOf, keysOf } from '../tokens.ts'
import type { SignedIn, World } from '../world.ts'

/** RFC 7518 section 6: members that only a private or secret key has. */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

const kidsOf = async (world: World, base?: number) => (await keysOf(world, base)).map(({ kid }) => String(kid)).sort()

async function expectVerifies(world: World, { access }: Pick<SignedIn, 'access'>, what: string): Promise<void> {
  const keys = await keysOf(world)
  await jwtVerify(access, createLocalJWKSet({ keys } as JSONWebKeySet)).catch((error: unknown) => {
    throw new Unmet(`${what} verifies under the published keys`, String(error))
  })
}

const requirements: Requirement[] = [
  {
    id: 'MPL-8.1',
    text: 'The JWKS MUST hold public keys only, each with kty, kid, alg and `use: sig`, and no kid twice.',
    why: 'A key without alg is what alg confusion starts from; a private member is the end.',
    how: 'Every member of every key.',
    source: 'RFC 7517 section 4; CVE-2026-22818 (JWK without alg)',
    needs: ['jwks'],
    async check(world) {
      const keys = await keysOf(world)
      for (const key of keys) {
        expectSame(
          'private members',
          PRIVATE.filter((name) => name in key),
          [],
        )
        for (const name of ['kty', 'kid', 'alg'])
          expectThat(typeof key[name] === 'string' && key[name] !== '', `a key with ${name}`, inspect(key))
        expectSame('use', key.use, 'sig')
        expectThat(key.kty !== 'oct', 'an asymmetric key', inspect(key.kty))
      }
      expectSame('different kids', new Set(keys.map(({ kid }) => kid)).size, keys.length)
    },
  },
  {
    id: 'MPL-8.2',
    text: 'A kid SHOULD be the thumbprint of its key.',
    why: 'It cannot name another key by mistake, here or in another environment.',
    how: 'RFC 7638 thumbprints of the published keys.',
    source: 'RFC 7638',
    needs: ['jwks'],
    async check(world) {
      for (const key of await keysOf(world))
        expectSame('kid', await calculateJwkThumbprint(key as JWK, 'sha256'), key.kid)
    },
  },
  {
    id: 'MPL-8.3',
    text: 'The JWKS MUST be served as JSON with a max-age and without no-cache or no-store.',
    why: 'Told not to cache, libraries fall back to timers of their own and miss a rotation.',
    how: 'Content-Type and Cache-Control.',
    source: 'erlef/oidcc#543; IdentityServer4#2564',
    needs: ['jwks'],
    async check({ service, profile }) {
      const { headers } = await service.get(profile.jwks ?? '')
      const type = headers.get('content-type') ?? ''
      expectThat(/^application\/(jwk-set\+)?json\b/.test(type), 'application/json', inspect(type))
      const cache = headers.get('cache-control') ?? ''
      expectThat(
        /max-age=[1-9]/.test(cache) && !/no-cache|no-store|private/.test(cache),
        'public, max-age=…',
        inspect(cache),
      )
    },
  },
  {
    id: 'MPL-8.4',
    text: 'The JWKS SHOULD have an ETag and answer If-None-Match with 304, for a list of tags, weak ones and `*` too.',
    why: 'Thousands of pods ask every five minutes.',
    how: 'Conditional requests of every form, and one that does not match.',
    source: 'RFC 9110 section 13.1.2',
    needs: ['jwks'],
    async check({ service, profile }) {
      const path = profile.jwks ?? ''
      const etag = (await service.get(path, {}, 0)).headers.get('etag') ?? ''
      expectThat(/^(W\/)?"[^"]+"$/.test(etag), 'an ETag', inspect(etag))
      const bare = etag.replace(/^W\//, '')
      for (const match of [etag, `W/${bare}`, `"other", ${etag}`, '*'])
        expectSame(
          `status for If-None-Match: ${match}`,
          (await service.get(path, { 'if-none-match': match }, 0)).status,
          304,
        )
      expectSame('status for another tag', (await service.get(path, { 'if-none-match': '"other"' }, 0)).status, 200)
    },
  },
  {
    id: 'MPL-8.5',
    text: 'All replicas MUST publish the same keys and accept each other’s tokens.',
    why: 'Two cold replicas on an empty database make two keys; half of the tokens are refused.',
    how: 'The JWKS of every base URL; a token of each at every other.',
    source: 'keratin/authn#40; ory/hydra#3870 (changelog)',
    needs: ['jwks', 'jwt'],
    async check(world) {
      const { service, profile } = world
      const published = await kidsOf(world, 0)
      for (let base = 0; base < service.bases.length; base += 1) {
        expectSame('kids', await kidsOf(world, base), published)
        const { access } = await world.signIn(world.someone(), { base })
        await expectVerifies(world, { access }, 'a token of each replica')
        for (let other = 0; profile.me && other < service.bases.length; other += 1)
          expectDone(service, await service.me(access, { base: other }), 'a token of another replica')
      }
    },
  },
  {
    id: 'MPL-8.6',
    text: 'The metadata MUST name the issuer of the tokens exactly, and a jwks_uri with the same keys.',
    why: 'A resource server is given the issuer alone; one slash more and every token is refused.',
    how: 'Each metadata document against the tokens and the JWKS.',
    source: 'RFC 8414 sections 2 and 3.3; OpenID Connect Discovery section 4.3',
    needs: ['metadata', 'jwks', 'jwt'],
    async check(world) {
      const { service, profile } = world
      const { iss = '' } = claimsOf((await world.signIn()).access)
      for (const path of profile.metadata ?? []) {
        const answer = await service.get(path)
        const { issuer, jwks_uri } = (answer.json ?? {}) as Record<string, unknown>
        expectThat(answer.status === 200, `the document ${path}`, shown(answer))
        expectSame(`issuer in ${path}`, issuer, iss)
        const { json } = await service.get(pathOf(String(jwks_uri), iss))
        const kids = (json as { keys?: { kid?: string }[] } | undefined)?.keys?.map(({ kid }) => String(kid)).sort()
        expectSame(`kids at the jwks_uri of ${path}`, kids, await kidsOf(world))
      }
    },
  },
  {
    id: 'MPL-8.7',
    text: 'A key MUST be published on every replica before it signs.',
    why: 'Verifiers have cached the JWKS; a token under a key that is not in their cache is refused, or the cache is flooded.',
    how: 'A rotation; every token’s kid is looked up in the JWKS fetched from every replica before it was issued.',
    source: 'canonical/jimm#1886, PostHog/posthog#60895, zitadel discussion 7961',
    needs: ['rotate key', 'jwks', 'jwt'],
    async check(world) {
      await rotateAndWatch(world, async (before, session) => {
        const kid = headerOf(session.access).kid ?? ''
        for (const kids of before) expectThat(kids.includes(kid), 'a kid that every replica had published', kid)
      })
    },
  },
  {
    id: 'MPL-8.8',
    text: 'Tokens of before a rotation MUST verify and be accepted after it.',
    why: 'A rotation that logs everybody out will not be done.',
    how: 'A token of before; a rotation until the new key signs; then for four seconds the old token at the service and under the JWKS.',
    source: 'PostHog/posthog#60895; mckinsey/agents-at-scale-ark#2457',
    needs: ['rotate key', 'jwks', 'jwt'],
    async check(world) {
      const old = await world.signIn()
      await rotateAndWatch(world, async () => {})
      // A replica takes keys out when it looks for new ones, which is not the moment when they change.
      for (let look = 1; look <= 4; look += 1) {
        await expectVerifies(world, old, 'a token of before the rotation')
        if (world.profile.me)
          expectDone(world.service, await world.service.me(old.access), 'a token of before the rotation')
        await sleep(1000)
      }
      await expectVerifies(world, await world.signIn(), 'a token of after the rotation')
    },
  },
  {
    id: 'MPL-8.9',
    text: 'A document MUST be served to whatever browser or verifier asks, without credentials.',
    why: 'Single-page consoles and gateways fetch it; it is public.',
    how: 'JWKS and metadata with an Origin and without anything; no cookie is set.',
    source: 'RFC 8414 section 3; Fetch standard',
    needs: ['jwks'],
    async check({ service, profile }) {
      for (const path of [profile.jwks ?? '', ...(profile.metadata ?? [])]) {
        const answer = await service.get(path, { origin: 'https://console.example' })
        expectThat(answer.status === 200, `the document ${path}`, shown(answer))
        expectSame('set-cookie', answer.headers.get('set-cookie'), null)
      }
    },
  },
  {
    id: 'MPL-8.10',
    text: 'The issuer MUST NOT depend on the request.',
    why: 'An issuer read from Host or X-Forwarded-Host lets a caller name the realm.',
    how: 'Metadata and a login with X-Forwarded-Host, X-Forwarded-Proto and Forwarded of another host.',
    source: 'anomalyco/openauth issuer.ts; RFC 8414 section 3.3',
    needs: ['jwt'],
    async check(world) {
      const { service, profile } = world
      const { iss } = claimsOf((await world.signIn()).access)
      const headers = {
        'x-forwarded-host': 'evil.example',
        'x-forwarded-proto': 'https',
        forwarded: 'host=evil.example',
      }
      const { access } = await world.signIn(world.someone(), { headers })
      expectSame('iss', claimsOf(access).iss, iss)
      for (const path of profile.metadata ?? [])
        expectSame('issuer', ((await service.get(path, headers)).json as { issuer?: unknown } | undefined)?.issuer, iss)
    },
  },
]

/** Rotates and logs in until a new key signs; `look` sees what every replica published before each login. */
async function rotateAndWatch(
  world: World,
  look: (before: string[][], session: SignedIn) => Promise<void>,
): Promise<void> {
  const { service, profile, patienceSeconds } = world
  const { rotateKey } = profile.operator
  if (!rotateKey) throw new CannotTest('operator.rotateKey in the profile')
  if (rotateKey.signsWithinSeconds > patienceSeconds)
    throw new CannotTest(`a new key signs after up to ${rotateKey.signsWithinSeconds} s, over --patience`)
  const known = new Set(await kidsOf(world))
  expectDone(service, await service.call(rotateKey, {}), "the operator's rotation")
  const endsAt = performance.now() + rotateKey.signsWithinSeconds * 1000
  for (;;) {
    const before = await Promise.all(service.bases.map((_, base) => kidsOf(world, base)))
    const session = await world.signIn()
    await look(before, session)
    if (!known.has(headerOf(session.access).kid ?? '')) return
    expectThat(
      performance.now() < endsAt,
      `a new key signs within ${rotateKey.signsWithinSeconds} s`,
      'the old one does',
    )
    await sleep(150)
  }
}

export const publishedKeys: Section = {
  title: 'Keys and documents',
  about: 'What a resource server needs is public, cacheable, and ahead of time.',
  requirements,
}
