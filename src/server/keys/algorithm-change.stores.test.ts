/** SIGNING_ALG is changed replica by replica, and a verifier that caches what is published refuses nothing. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { expect, inject, test } from 'vitest'
import { openTestStores } from '../../dev/testing/real-stores.ts'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const JWKS_MAX_AGE_MS = 1000

// On the real stores alone, where one replica can end without the others.
test.runIf(inject('stores') === 'real')(
  'ES256 becomes RS256 on one replica after another: every token verifies at a verifier that caches the JWKS',
  async () => {
    const environment = {
      SIGNING_KEY_ROTATION_SECONDS: '1000',
      SIGNING_KEY_PUBLISH_AHEAD_SECONDS: '2',
      JWKS_MAX_AGE_SECONDS: String(JWKS_MAX_AGE_MS / 1000),
      ACCESS_TOKEN_TTL_SECONDS: '60',
    }
    const stores = await openTestStores()
    const start = (alg: string) =>
      startTestGateway({
        environment: { ...environment, SIGNING_ALG: alg },
        stores: { ...stores, ...stores.replica(), close: async () => undefined },
      })
    const replicas: [TestGateway, TestGateway] = [await start('ES256'), await start('ES256')]
    const seen: string[] = []
    let cached: { keys: JSONWebKeySet; until: number } | undefined
    let turn = 0
    let oldest: string | undefined

    async function verify(token: string): Promise<void> {
      if (!cached || cached.until <= Date.now()) {
        const until = Date.now() + JWKS_MAX_AGE_MS
        const reply = await replicas[++turn % 2 ? 0 : 1].publicApp.request('/.well-known/jwks.json')
        cached = { keys: (await reply.json()) as JSONWebKeySet, until }
      }
      const { protectedHeader } = await jwtVerify(token, createLocalJWKSet(cached.keys))
      if (seen.at(-1) !== protectedHeader.alg) seen.push(protectedHeader.alg)
    }
    async function traffic(forMs: number): Promise<void> {
      const until = Date.now() + forMs
      while (Date.now() < until) {
        for (const replica of replicas) {
          const { token } = (await replica.login('somebody')).body.data
          oldest ??= token
          await verify(token)
        }
        if (oldest) await verify(oldest)
        await sleep(15)
      }
    }

    await traffic(1500)
    for (const index of [0, 1] as const) {
      const old = replicas[index]
      replicas[index] = await start('RS256')
      await traffic(500)
      await old.close()
      await traffic(500)
    }
    // The RS256 key is published for two seconds and a little before it signs.
    await traffic(4000)
    expect(seen[0]).toBe('ES256')
    expect(seen).toContain('RS256')
    const now = await Promise.all(replicas.map(async (replica) => (await replica.login('somebody')).body.data.token))
    expect(now.map((token) => decodeProtectedHeader(token).alg)).toEqual(['RS256', 'RS256'])
    for (const replica of replicas) await replica.close()
    await stores.close()
  },
)
