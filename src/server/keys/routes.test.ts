/** The published documents before there is anything to publish. */
import { expect, test } from 'vitest'
import { memoryKeys, ringOn, testSchedule } from '../../dev/testing/memory-keys.ts'
import { serveRoutes } from '../../dev/testing/serve-routes.ts'
import { testClock } from '../clock.ts'
import type { KeyRing } from './ring.ts'
import { keyRoutes } from './routes.ts'

const paths = ['jwks.json', 'openid-configuration', 'oauth-authorization-server', 'oauth-authorization-server/tenant']

test.each([
  [86_400, 300, 60],
  [300, 300, 0],
  [320, 300, 20],
])(
  'published %i s ahead with a max-age of %i s, a cache may serve stale for %i s: never longer than the publish-ahead',
  async (publishAheadSeconds, jwksMaxAgeSeconds, stale) => {
    const ring = {
      ready: () => true,
      jwks: () => ({ body: '{}', etag: '"1"' }),
      algorithms: () => [],
    } as unknown as KeyRing
    const periods = { publishAheadSeconds, jwksMaxAgeSeconds }
    const { app } = serveRoutes(keyRoutes({ ring, issuer: 'https://auth.example.com', schedule: periods }))
    const reply = await app.request('/.well-known/jwks.json')
    expect(reply.headers.get('cache-control')).toContain(
      `max-age=${jwksMaxAgeSeconds}, stale-while-revalidate=${stale},`,
    )
  },
)

test('a gateway that has no key yet publishes nothing that a cache would keep, and everything once it has one', async () => {
  const ring = ringOn(memoryKeys(), testClock())
  const { app } = serveRoutes(keyRoutes({ ring, issuer: 'https://auth.example.com/tenant', schedule: testSchedule }))
  for (const path of paths) {
    const reply = await app.request(`/.well-known/${path}`)
    expect([path, reply.status, reply.headers.get('cache-control')]).toEqual([path, 503, 'no-store'])
  }
  await ring.tick()
  for (const path of paths) expect([path, (await app.request(`/.well-known/${path}`)).status]).toEqual([path, 200])
})
