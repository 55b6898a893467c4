/** The published documents before there is anything to publish. */
import { expect, test } from 'vitest'
import { serveRoutes } from '../../dev/testing/serve-routes.ts'
import { testClock } from '../clock.ts'
import { createSealer } from '../crypto/seal.ts'
import { createKeyRing } from './ring.ts'
import { keyRoutes } from './routes.ts'
import type { StoredKey } from './store.ts'

const paths = ['jwks.json', 'openid-configuration', 'oauth-authorization-server', 'oauth-authorization-server/tenant']

test('a gateway that has no key yet publishes nothing that a cache would keep, and everything once it has one', async () => {
  const kept: StoredKey[] = []
  const ring = createKeyRing({
    store: {
      list: async () => kept,
      add: async (key) => kept.push(key) > 0,
      remove: async () => undefined,
      retire: async () => false,
      reseal: async () => false,
      firstResealedAt: async () => undefined,
      audit: async () => undefined,
    },
    sealer: createSealer([{ id: 'k1', secret: Buffer.alloc(32) }]),
    clock: testClock(),
    schedule: {
      alg: 'ES256',
      rotationSeconds: 90_000,
      publishAheadSeconds: 86_400,
      jwksMaxAgeSeconds: 300,
      tokenTtlSeconds: 900,
    },
  })
  const { app } = serveRoutes(keyRoutes({ ring, issuer: 'https://auth.example.com/tenant', jwksMaxAgeSeconds: 300 }))
  for (const path of paths) {
    const reply = await app.request(`/.well-known/${path}`)
    expect([path, reply.status, reply.headers.get('cache-control')]).toEqual([path, 503, 'no-store'])
  }
  await ring.tick()
  for (const path of paths) expect([path, (await app.request(`/.well-known/${path}`)).status]).toEqual([path, 200])
})
