/** What each client's sessions and tokens are like, worked out of the configuration. */
import { expect, test } from 'vitest'
import { createClients } from './clients.ts'

const config = {
  audience: ['api'],
  accessTokenClaims: ['openid' as const],
  accessTokenTtlSeconds: 900,
  refreshTokenTtlSeconds: 1000,
  sessionTtlSeconds: 5000,
}
const plain = { platform: 'wechat' as const, appid: 'wx1', secret: 's' }
const special = {
  ...plain,
  platform: 'qq' as const,
  union: 'acme',
  audience: ['shop', 'api'],
  accessTokenTtlSeconds: 60,
  refreshTokenTtlSeconds: 2000,
  sessionTtlSeconds: 3000,
  claims: [],
}
const clients = createClients({ ...config, clients: [], apps: [plain, special] })

test('an app that says nothing has what the configuration says for all', () => {
  expect(clients.of(plain)).toEqual({
    kind: 'app',
    id: 'wx1',
    name: 'wx1',
    platform: 'wechat',
    union: undefined,
    audience: ['api'],
    claims: ['openid'],
    accessTokenSeconds: 900,
    idleSeconds: 1000,
    absoluteSeconds: 5000,
  })
})

test('an app has what it says of its own, and apps of one appid on two platforms are two clients', () => {
  expect(clients.of(special)).toMatchObject({
    platform: 'qq',
    union: 'acme',
    audience: ['shop', 'api'],
    claims: [],
    accessTokenSeconds: 60,
    idleSeconds: 2000,
    absoluteSeconds: 3000,
  })
})

test('the longest lifetimes and all audiences cover every client and the defaults', () => {
  expect(clients.longest).toEqual({ accessTokenSeconds: 900, idleSeconds: 2000, absoluteSeconds: 5000 })
  expect(clients.audiences).toEqual(['api', 'shop'])
})

test('a client that is not configured gets no token', () => {
  expect(() => clients.of({ platform: 'qq', appid: 'wx2' })).toThrow(expect.objectContaining({ code: 'A0230' }))
})
