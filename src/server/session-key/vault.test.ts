/** What is kept of a session_key: sealed to its identity, for its time and no longer. */
import { expect, test } from 'vitest'
import { testClock } from '../clock.ts'
import { createSealer } from '../crypto/seal.ts'
import { createMemoryCache } from '../storage/cache.memory.ts'
import { createVault } from './vault.ts'

const TTL_SECONDS = 259_200
const alice = { platform: 'wechat', appid: 'wx1', openid: 'alice' }

function openVault() {
  const clock = testClock()
  const cache = createMemoryCache({ clock })
  const sealer = createSealer([{ id: 'k1', secret: Buffer.alloc(32, 1) }])
  return { clock, cache, vault: createVault({ cache, sealer, ttlSeconds: TTL_SECONDS }) }
}
const keyOf = ({ platform, appid, openid }: typeof alice) => `session-key:${platform}:${appid}:${openid}`

test('it is kept to the second as long as is configured', async () => {
  const { clock, vault } = openVault()
  await vault.put(alice, 'a key')
  clock.advance(TTL_SECONDS - 1)
  expect(await vault.get(alice)).toBe('a key')
  clock.advance(1)
  expect(await vault.get(alice)).toBeUndefined()
})

test.each([
  ['another person', { ...alice, openid: 'mallory' }],
  ['another app', { ...alice, appid: 'wx2' }],
  ['another platform', { ...alice, platform: 'qq' }],
])('moved in the cache to %s it does not open', async (_, elsewhere) => {
  const { cache, vault } = openVault()
  await vault.put(alice, 'a key')
  await cache.set(keyOf(elsewhere), (await cache.get(keyOf(alice))) ?? '', 60_000)
  expect(await vault.get(elsewhere)).toBeUndefined()
  expect(await vault.get(alice)).toBe('a key')
})

test('it is dropped for its own identity alone', async () => {
  const { vault } = openVault()
  const bob = { ...alice, openid: 'bob' }
  await vault.put(alice, 'a key')
  await vault.put(bob, 'his key')
  await vault.drop(alice)
  expect([await vault.get(alice), await vault.get(bob)]).toEqual([undefined, 'his key'])
})
