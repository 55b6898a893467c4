/** SIGNING_ALG is changed replica by replica, and a verifier that caches what is published refuses nothing. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../dev/test-gateway.ts'

const JWKS_MAX_AGE_MS = 1000

test('ES256 becomes RS256 on one replica after another: every token verifies at a verifier that caches the JWKS', async () => {
  const environment = {
    SIGNING_KEY_ROTATION_SECONDS: '1000',
    SIGNING_KEY_PUBLISH_AHEAD_SECONDS: '2',
    JWKS_MAX_AGE_SECONDS: String(JWKS_MAX_AGE_MS / 1000),
    ACCESS_TOKEN_TTL_SECONDS: '60',
  }
  const first = await startTestGateway({ environment: { ...environment, SIGNING_ALG: 'ES256' } })
  const replicas: [TestGateway, TestGateway] = [await first.replica(), await first.replica()]
  const seen: string[] = []
  let cached: { keys: JSONWebKeySet; until: number } | undefined
  let turn = 0
  let oldest: string | undefined

  async function verify(token: string): Promise<void> {
    if (!cached || cached.until <= Date.now()) {
      const until = Date.now() + JWKS_MAX_AGE_MS
      const reply = await (replicas[++turn % 2] ?? first).publicApp.request('/.well-known/jwks.json')
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
    replicas[index] = await first.replica({ SIGNING_ALG: 'RS256' })
    await traffic(1000)
  }
  // The old replica would ask for ES256 again.
  const { token: last } = (await replicas[0].login('somebody')).body.data
  await verify(last)
  await traffic(6000)
  expect(new Set(seen)).toEqual(new Set(['ES256', 'RS256']))
  const { token } = (await replicas[1].login('somebody')).body.data
  const { protectedHeader } = await jwtVerify(token, createLocalJWKSet(cached?.keys ?? { keys: [] }))
  expect(protectedHeader.alg).toBe('RS256')
  await first.close()
})
