/** A round through everything that reads and writes times, numbers, arrays, JSON and nulls, for databases with odd settings. */
import { expect } from 'vitest'
import type { TestGateway } from './test-gateway.ts'

/** Alone and at once. */
export async function everything(gateway: TestGateway): Promise<void> {
  const names = Array.from({ length: 12 }, (_, index) => `person ${index}`)
  // Each eight times at once: without a stricter level's retries half of these fail.
  const logins = await Promise.all(names.flatMap((name) => Array.from({ length: 8 }, () => gateway.login(name))))
  expect(logins.map(({ status }) => status)).toEqual(logins.map(() => 200))
  expect(new Set(logins.map(({ body }) => body.data.user_id)).size).toBe(names.length)
  const { token, refresh_token, expires_in, refresh_expires_in } = logins[0]?.body.data ?? {}
  expect([expires_in, refresh_expires_in]).toEqual([900, 2_592_000])
  const refreshed = await Promise.all(Array.from({ length: 8 }, () => gateway.post('/api/refresh', { refresh_token })))
  expect(new Set(refreshed.map(({ body }) => body.data?.refresh_token)).size).toBe(1)
  const birthday = '1999-12-31'
  const patched = await gateway.call('PATCH', '/api/user', { token, body: { birthday, nickname: 'null' } })
  expect(patched.body).toMatchObject({ code: '00000', data: { birthday, nickname: 'null' } })
  const profile = (await gateway.call('GET', '/api/user', { token })).body.data
  expect(Math.abs(Date.parse(profile.created_at) - Date.now())).toBeLessThan(60_000)
  const sessions = (await gateway.call('GET', '/api/sessions', { token })).body.data
  expect(Math.abs(Date.parse(sessions.at(-1).created_at) - Date.now())).toBeLessThan(60_000)
  const exported = await gateway.call('GET', '/api/user/export', { token })
  expect(exported.body.data.events.map((one: { kind: string }) => one.kind)).toContain('profile_changed')
  expect((await gateway.call('DELETE', '/api/sessions?scope=all', { token })).status).toBe(200)
  expect((await gateway.call('GET', '/api/user', { token })).status).toBe(401)
}
