/** While the database is away, introspection says so: a live token is not called inactive, a dead one not let through. */
import { expect, test } from 'vitest'
import { serveRoutes } from '../../dev/testing/serve-routes.ts'
import { createServiceTokens } from '../http/service-tokens.ts'
import { DatabaseUnavailable } from '../storage/sqlstate.ts'
import { introspectionRoutes } from './routes.ts'

const SECRET = 'introspecting-service-0123456789abcdef'

const away = () => Promise.reject(new DatabaseUnavailable('it broke'))
const grant = (...scopes: ('introspect' | 'revoke')[]) => scopes.map((scope) => ({ scope, only: undefined }))
const { authenticate: service } = createServiceTokens({
  tokens: [{ name: 'orders', grants: grant('introspect', 'revoke'), secret: SECRET }],
})
const { app } = serveRoutes(introspectionRoutes({ introspection: { introspect: away, revoke: away } }), {
  service,
  user: away,
})

test.each(['/oauth2/introspect', '/oauth2/revoke'])('%s answers 503, never "inactive" or success', async (path) => {
  const reply = await app.request(path, {
    method: 'POST',
    body: new URLSearchParams({ token: 'any' }),
    headers: { authorization: `Bearer ${SECRET}` },
  })
  expect(reply.status).toBe(503)
  expect(reply.headers.get('retry-after')).toBe('2')
  expect(await reply.json()).toEqual({ error: 'temporarily_unavailable', error_description: expect.any(String) })
})

test('/verify answers 503 without a user: proxies let nobody through', async () => {
  const reply = await app.request('/verify', { headers: { authorization: 'Bearer any' } })
  expect(reply.status).toBe(503)
  expect(reply.headers.get('x-auth-user-id')).toBeNull()
})
