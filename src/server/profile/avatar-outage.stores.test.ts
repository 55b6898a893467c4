/** A change of picture whose commit PostgreSQL did not confirm: nobody knows whether the picture is shown, so it stays. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { systemClock } from '../clock.ts'
import { GatewayError } from '../errors.ts'
import { DatabaseUnavailable } from '../storage/sqlstate.ts'
import { createAvatarChanges } from './avatar.ts'
import { createProfileStore } from './store.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway()
})
afterAll(() => gateway.close())

test.each([
  ['an outage after the commit: the picture stays, and is reported', new DatabaseUnavailable('it broke'), true],
  ['a refusal: the picture is removed', new GatewayError('B0210'), false],
])('%s', async (_what, thrown, stays) => {
  const { user_id: userId } = (await gateway.login('with a picture')).body.data
  const kept = new Set<string>()
  const doubts: string[] = []
  const store = createProfileStore(gateway.stores.database)
  const changes = createAvatarChanges({
    store: {
      ...store,
      async change(change) {
        if (stays) await store.change(change)
        throw thrown
      },
    },
    avatars: {
      assertConfigured: () => undefined,
      async keep() {
        kept.add('https://pictures.example/new.webp')
        return 'https://pictures.example/new.webp'
      },
      remove: async (url) => kept.delete(url ?? ''),
      read: async () => undefined,
    },
    clock: systemClock,
    limit: undefined,
    onDoubt: (_error, url) => doubts.push(url),
  })
  const caller = { userId, sid: crypto.randomUUID() }
  const actor = { name: 'user', ip: undefined, requestId: undefined }
  await expect(changes.change(caller, async () => Buffer.from('any'), actor)).rejects.toBe(thrown)
  expect([kept.size, doubts.length]).toEqual(stays ? [1, 1] : [0, 0])
})
