/** The platform credential on loan: one for all who ask, renewed once for all who report it, and never in a log. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { APPID, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const BORROWER = 'borrower-borrower-borrower-borrower'
const NARROW = 'narrow-narrow-narrow-narrow-narrow'
const path = '/internal/platform-credential'
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')

let gateway: TestGateway
let other: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway({
    environment: { ADMIN_TOKENS: `sender:credential:${BORROWER},narrow:credential@wx0000000000000009:${NARROW}` },
  })
  other = await gateway.replica()
})
afterAll(async () => {
  await other.close()
  await gateway.close()
})

const lend = async (on: TestGateway, body: object = { appid: APPID }, token = BORROWER) =>
  await on.internal('POST', path, { body, token })

test('all callers on all replicas get the same one, from one request to the platform', async () => {
  const replies = await Promise.all(Array.from({ length: 20 }, (_, index) => lend(index % 2 ? gateway : other)))
  const tokens = new Set(replies.map(({ body }) => body.data.access_token))
  expect(tokens.size).toBe(1)
  for (const { body, headers } of replies) {
    expect(body.data.expires_in).toBeGreaterThan(0)
    expect(headers.get('cache-control')).toBe('no-store')
  }
  const [token = ''] = tokens
  expect(gateway.logs() + other.logs()).not.toContain(token)
})

test('a refused one is renewed once for any number of reporters; a report of an older one renews nothing', async () => {
  const before = (await lend(gateway)).body.data.access_token as string
  gateway.simulator.revokeCredential(before)
  const replies = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      lend(index % 2 ? gateway : other, { appid: APPID, refused: hashOf(before) }),
    ),
  )
  const after = new Set(replies.map(({ body }) => body.data?.access_token))
  expect(after.size).toBe(1)
  expect(after).not.toContain(before)
  const [current] = after
  const again = await lend(other, { appid: APPID, refused: hashOf(before) })
  expect(again.body.data.access_token).toBe(current)
  const unknown = await lend(gateway, { appid: APPID, refused: hashOf('made up') })
  expect(unknown.body.data.access_token).toBe(current)
})

test('a scope narrowed to another app, an unknown app, a hash that is none: refused by name', async () => {
  expect((await lend(gateway, { appid: APPID }, NARROW)).body.code).toBe('A0312')
  expect((await lend(gateway, { appid: 'wx0000000000000008' })).body.fields).toHaveProperty('appid')
  expect((await lend(gateway, { appid: APPID, refused: 'abc' })).body.fields).toHaveProperty('refused')
  expect((await gateway.call('POST', path, { body: { appid: APPID }, token: BORROWER })).status).toBe(404)
})
