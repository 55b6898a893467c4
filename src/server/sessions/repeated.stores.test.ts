/** A refresh token that is used again inside the reuse interval: counted apart, and on record when it comes from another network. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({ environment: { TRUSTED_PROXY_HOPS: '1' } })
})
afterAll(() => gateway.close())

const refresh = (refresh_token: string, address: string) =>
  gateway.post('/api/refresh', { refresh_token }, { 'x-forwarded-for': address })
const repeated = async () => {
  const text = await (await gateway.internalApp.request('/metrics')).text()
  return Number(/^gateway_refreshes_total\{outcome="repeated"\} (\d+)$/m.exec(text)?.[1] ?? 0)
}
const audited = async (userId: string) => {
  const text = `select ip from audit_events where kind = 'refresh_repeated' and user_id = '${userId}' order by at`
  return (await gateway.stores.database.run<{ ip: string }>({ name: `audited ${userId}`, text }, [])).map(
    ({ ip }) => ip,
  )
}

test('a lost reply asked for again from the same network is counted as repeated, and not audited', async () => {
  const { refresh_token, user_id } = (await gateway.login('at home')).body.data
  await refresh(refresh_token, '203.0.113.7')
  const before = await repeated()
  expect((await refresh(refresh_token, '203.0.113.7')).status).toBe(200)
  expect(await repeated()).toBe(before + 1)
  await new Promise((resolve) => setTimeout(resolve, 400))
  expect(await audited(user_id)).toEqual([])
})

test('the same token from another network is audited as refresh_repeated, with the address it came from', async () => {
  const { refresh_token, user_id } = (await gateway.login('elsewhere')).body.data
  await refresh(refresh_token, '2001:db8:1:2::1')
  expect((await refresh(refresh_token, '2001:db8:1:2::ffff')).status).toBe(200)
  expect((await refresh(refresh_token, '198.51.100.9')).status).toBe(200)
  await expect.poll(() => audited(user_id)).toEqual(['198.51.100.9'])
})
