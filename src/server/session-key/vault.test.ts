/** Kept session_keys: sealed, each bound to its person, for their time and no longer; and what they open. */
import { describe, expect, test } from 'vitest'
import { encryptOpenData } from '../../dev/simulator/wechat-crypto.ts'
import { testClock } from '../clock.ts'
import { createSealer } from '../crypto/seal.ts'
import type { PlatformIdentity } from '../platforms/platform.ts'
import { createMemoryCache } from '../storage/cache.memory.ts'
import { createOpenWithKeptKey, encryptedSchema } from './open-data.ts'
import { createVault } from './vault.ts'

const KEY = 'tiihtNczf5v6AKRyjwEUhQ=='
const ann: PlatformIdentity = { platform: 'wechat', appid: 'wx1', openid: 'ann' }
const TTL_SECONDS = 259_200

function newVault(secret = 1) {
  const clock = testClock()
  const cache = createMemoryCache({ clock })
  const over = (byte: number) => {
    const sealer = createSealer([{ id: `k${byte}`, secret: Buffer.alloc(32, byte) }])
    return createVault({ cache, sealer, ttlSeconds: TTL_SECONDS })
  }
  return { clock, cache, over, vault: over(secret) }
}

describe('a session_key', () => {
  test('comes back to its person, and is sealed where it is kept', async () => {
    const { vault, cache } = newVault()
    await vault.put(ann, KEY)
    expect(await vault.get(ann)).toBe(KEY)
    const stored = await cache.get('session-key:wechat:wx1:ann')
    expect(stored).toMatch(/^v2\.k1\./)
    expect(Buffer.from(String(stored).slice('v2.k1.'.length), 'base64url').includes(KEY)).toBe(false)
  })

  test.each<[string, Partial<PlatformIdentity>]>([
    ['another person', { openid: 'bob' }],
    ['another app', { appid: 'wx2' }],
    ['another platform', { platform: 'qq' }],
  ])('of %s is not theirs, and does not open where it is copied to', async (_whose, other) => {
    const { vault, cache } = newVault()
    await vault.put(ann, KEY)
    const them = { ...ann, ...other }
    expect(await vault.get(them)).toBeUndefined()
    const stored = String(await cache.get('session-key:wechat:wx1:ann'))
    await cache.set(`session-key:${them.platform}:${them.appid}:${them.openid}`, stored, 60_000)
    expect(await vault.get(them)).toBeUndefined()
    expect(await vault.get(ann)).toBe(KEY)
  })

  test('is kept for its time to the second', async () => {
    const { vault, clock } = newVault()
    await vault.put(ann, KEY)
    clock.advance(TTL_SECONDS - 1)
    expect(await vault.get(ann)).toBe(KEY)
    clock.advance(2)
    expect(await vault.get(ann)).toBeUndefined()
  })

  test('gives way to a newer one, and is gone once it is dropped', async () => {
    const { vault, cache } = newVault()
    await vault.put(ann, KEY)
    await vault.put(ann, 'newer')
    expect(await vault.get(ann)).toBe('newer')
    const bob = { ...ann, openid: 'bob' }
    await vault.put(bob, 'his')
    await vault.drop(ann)
    expect([await vault.get(ann), await vault.get(bob)]).toEqual([undefined, 'his'])
    expect(await cache.get('session-key:wechat:wx1:ann')).toBeUndefined()
  })

  test('whose encryption key was taken away is as if it were not kept', async () => {
    const { vault, over } = newVault()
    await vault.put(ann, KEY)
    expect(await over(2).get(ann)).toBeUndefined()
  })

  test('is not said to be gone when something else fails', async () => {
    const { cache } = newVault()
    const defect = new TypeError('a defect')
    const sealer = {
      open: () => {
        throw defect
      },
    } as never
    await cache.set('session-key:wechat:wx1:ann', 'v2.k1.AAAA', 60_000)
    await expect(createVault({ cache, sealer, ttlSeconds: 60 }).get(ann)).rejects.toBe(defect)
  })
})

describe('data is opened with the kept key', () => {
  const now = Math.floor(testClock().now().getTime() / 1000)
  const data = (watermark: object, key = KEY) =>
    encryptOpenData(
      JSON.stringify({ phoneNumber: '1', watermark: { appid: 'wx1', timestamp: now, ...watermark } }),
      key,
    )

  async function opened(encrypted: ReturnType<typeof data>, { identity = ann, keep = true } = {}) {
    const { vault, clock } = newVault()
    if (keep) await vault.put(identity, KEY)
    return await createOpenWithKeptKey({ vault, clock })(identity, encrypted)
  }

  test('while it is at most ten minutes old', async () => {
    expect(await opened(data({ timestamp: now - 600 }))).toMatchObject({ phoneNumber: '1' })
  })

  test.each<[string, string, Parameters<typeof data>, Parameters<typeof opened>[1]]>([
    ['older than ten minutes', 'A0340', [{ timestamp: now - 601 }], {}],
    ['of another app', 'A0340', [{ appid: 'wx2' }], {}],
    ['under another key', 'A0240', [{}, 'AAAAAAAAAAAAAAAAAAAAAA=='], {}],
    ['of somebody whose key is not kept', 'A0240', [{}], { keep: false }],
    ['of a platform that gives no session_key', 'A0400', [{}], { identity: { ...ann, platform: 'alipay' } }],
  ])('and not: %s', async (_what, code, [watermark, key], options) => {
    await expect(opened(data(watermark, key), options)).rejects.toMatchObject({ code })
  })

  test('a platform without session_key is told of by the field', async () => {
    const failure = await opened(data({}), { identity: { ...ann, platform: 'alipay' } }).catch((error) => error)
    expect(failure.fields).toEqual({ encryptedData: 'cannot be opened: alipay gives no session_key' })
  })

  test('a defect is no refusal of the data', async () => {
    const defect = new TypeError('a defect')
    const vault = { get: async () => KEY } as never
    const clock = {
      now: () => {
        throw defect
      },
    }
    await expect(createOpenWithKeptKey({ vault, clock })(ann, data({}))).rejects.toBe(defect)
  })
})

test('what is not base64 of the right length is a wrong field', () => {
  const { encryptedData, iv } = encryptedSchema
  const vector = Buffer.alloc(16).toString('base64')
  for (const good of ['AAAA', 'AB+/', 'AA==', 'AAA=', 'A'.repeat(16_384)])
    expect(encryptedData.safeParse(good).success).toBe(true)
  for (const bad of ['', ' AAAA', 'AAAA ', 'AA A', 'AAAA\n', 'AA===', 'A_A-', '=', 'A'.repeat(16_385)])
    expect(encryptedData.safeParse(bad).success).toBe(false)
  expect(iv.safeParse(vector).success).toBe(true)
  for (const bad of [
    '',
    vector.slice(1),
    `A${vector}`,
    `${vector}=`,
    ` ${vector}`,
    vector.replace('==', ''),
    `${'_'.repeat(22)}==`,
  ])
    expect(iv.safeParse(bad).success).toBe(false)
  for (const schema of [encryptedData, iv])
    expect(
      schema
        .safeParse(' ')
        .error?.issues.map(({ message }) => message)
        .join(),
    ).toContain('must be base64')
})
