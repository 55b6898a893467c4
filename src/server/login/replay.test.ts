/** The record of an exchanged code, on two replicas that share a cache whose time is handed in. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createAwayCache } from '../../dev/testing/away-cache.ts'
import { testClock } from '../clock.ts'
import { createSealer } from '../crypto/seal.ts'
import { GatewayError } from '../errors.ts'
import { PlatformError, type Refusal } from '../platforms/platform.ts'
import type { App } from '../platforms/registry.ts'
import { createMemoryCache, type MemoryCache } from '../storage/cache.memory.ts'
import { CacheUnavailable } from '../storage/cache.ts'
import { admissionBy } from './admission.ts'
import { createReplay } from './replay.ts'

const sealer = createSealer([{ id: 'k1', secret: Buffer.alloc(32, 1) }])
const admitted = admissionBy(Promise.resolve())
const limited = () => admissionBy(Promise.reject(new GatewayError('A0501')))

/** An app whose every exchange names another person. */
function appOf(platform: string, appid: string) {
  const exchange = vi.fn(async () => ({ openid: `person ${exchange.mock.calls.length}`, sessionKey: 'key' }))
  return { platform, appid, exchange } as unknown as App & { exchange: typeof exchange }
}

function twoReplicas() {
  const clock = testClock()
  const cache = createMemoryCache({ clock })
  const [one, other] = [1, 2].map(() => createReplay({ cache, sealer, clock }))
  return { clock, cache, one: one as NonNullable<typeof one>, other: other as NonNullable<typeof other> }
}
const keysOf = (cache: MemoryCache): string[] =>
  (JSON.parse(cache.dump()) as [[string, unknown][]])[0].map(([key]) => key)

test('the same code of another app, and of the same app elsewhere, is exchanged for itself', async () => {
  const { one, other } = twoReplicas()
  const apps = [appOf('wechat', 'wx1'), appOf('wechat', 'wx2'), appOf('qq', 'wx1')]
  for (const app of apps) {
    await one.exchangeOnce(app, 'code', admitted)
    await other.exchangeOnce(app, 'code', admitted)
  }
  expect(apps.map(({ exchange }) => exchange.mock.calls.length)).toEqual([1, 1, 1])
})

describe('a finished exchange is answered for 60 seconds, and no longer', () => {
  test('by the cache', async () => {
    const { clock, one, other } = twoReplicas()
    const app = appOf('wechat', 'wx1')
    const first = await one.exchangeOnce(app, 'code', admitted)
    clock.advance(59)
    expect(await other.exchangeOnce(app, 'code', admitted)).toEqual(first)
    clock.advance(2)
    expect((await other.exchangeOnce(app, 'code', admitted)).sid).not.toBe(first.sid)
    expect(app.exchange).toHaveBeenCalledTimes(2)
  })

  test('by the process, while the cache is away', async () => {
    const clock = testClock()
    const replay = createReplay({ cache: createAwayCache(), sealer, clock })
    const app = appOf('wechat', 'wx1')
    const first = await replay.exchangeOnce(app, 'code', admitted)
    clock.advance(59)
    expect(await replay.exchangeOnce(app, 'code', admitted)).toEqual(first)
    clock.advance(2)
    expect((await replay.exchangeOnce(app, 'code', admitted)).sid).not.toBe(first.sid)
    expect(app.exchange).toHaveBeenCalledTimes(2)
  })
})

describe('a refusal', () => {
  test.each<Refusal>(['rate_limited', 'system_busy', 'user_blocked', 'misconfigured', 'unknown'])(
    'that may pass (%s) lets go of the code: the next request, on whichever replica, asks again at once',
    async (refusal) => {
      const { cache, one, other } = twoReplicas()
      const app = appOf('wechat', 'wx1')
      for (const replica of [one, other]) {
        app.exchange.mockRejectedValueOnce(new PlatformError('code2Session', 'refused', { refusal, errcode: '1' }))
        await expect(replica.exchangeOnce(app, 'code', admitted)).rejects.toMatchObject({ refusal })
        expect(keysOf(cache)).toEqual([])
      }
      await expect(one.exchangeOnce(app, 'code', admitted)).resolves.toMatchObject({ openid: 'person 3' })
    },
  )

  test.each<Refusal>(['code_invalid', 'snapshot_user'])(
    'of the code itself (%s) is final, and answered from the record',
    async (refusal) => {
      const { one, other } = twoReplicas()
      const app = appOf('wechat', 'wx1')
      app.exchange.mockRejectedValueOnce(new PlatformError('code2Session', 'refused', { refusal, errcode: '40029' }))
      for (const replica of [one, other, one])
        await expect(replica.exchangeOnce(app, 'code', admitted)).rejects.toMatchObject({ errcode: '40029' })
      expect(app.exchange).toHaveBeenCalledTimes(1)
    },
  )
})

describe('a request that the limit refuses', () => {
  test.each(['shared', 'away'])('asks no platform, and leaves the code to be used (cache %s)', async (kind) => {
    const clock = testClock()
    const cache = kind === 'away' ? createAwayCache() : createMemoryCache({ clock })
    const replay = createReplay({ cache, sealer, clock })
    const app = appOf('wechat', 'wx1')
    await expect(replay.exchangeOnce(app, 'code', limited())).rejects.toMatchObject({ code: 'A0501' })
    expect(app.exchange).not.toHaveBeenCalled()
    await expect(replay.exchangeOnce(app, 'code', admitted)).resolves.toMatchObject({ openid: 'person 1' })
  })

  test('is refused even where the answer is known', async () => {
    const { one, other } = twoReplicas()
    const app = appOf('wechat', 'wx1')
    await one.exchangeOnce(app, 'code', admitted)
    for (const replica of [one, other])
      await expect(replica.exchangeOnce(app, 'code', limited())).rejects.toMatchObject({ code: 'A0501' })
  })
})

test('a record that is moved to the key of another code does not open: that code is exchanged for itself', async () => {
  const { clock, cache, one, other } = twoReplicas()
  const app = appOf('wechat', 'wx1')
  await one.exchangeOnce(app, 'attacker', admitted)
  const [own = ''] = keysOf(cache)
  await other.exchangeOnce(app, 'victim', admitted)
  const victims = keysOf(cache).find((key) => key !== own) ?? ''
  await cache.set(victims, (await cache.get(own)) ?? '', 60_000)
  const fresh = createReplay({ cache, sealer, clock })
  expect((await fresh.exchangeOnce(app, 'victim', admitted)).openid).toBe('person 3')
})

test('whoever waits for another replica is answered in time by the clock, however slow the cache and whoever lets go', async () => {
  let nowMs = performance.now()
  const elapsed = vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
  onTestFinished(() => elapsed.mockRestore())
  let asked = 0
  const slow = {
    ...createAwayCache(),
    // Always somebody else is faster, and lets go of it soon after.
    setIfAbsent: async () => false,
    async get() {
      nowMs += 500
      asked += 1
      return asked % 3 === 0 ? undefined : 'claim:other'
    },
  }
  const replay = createReplay({ cache: slow, sealer, clock: testClock() })
  await expect(replay.exchangeOnce(appOf('wechat', 'wx1'), 'code', admitted)).rejects.toMatchObject({ code: 'A0506' })
  expect(asked).toBe(8)
})

describe('a cache that fails while another replica holds the code', () => {
  const holding = (error: Error) => ({
    ...createAwayCache(),
    setIfAbsent: async () => false,
    get: () => Promise.reject(error),
  })
  const asked = (cache: ReturnType<typeof holding>) =>
    createReplay({ cache, sealer, clock: testClock() }).exchangeOnce(appOf('wechat', 'wx1'), 'code', admitted)

  test('is A0506: the client may ask again', async () => {
    const failure = asked(holding(new CacheUnavailable('away')))
    await expect(failure).rejects.toMatchObject({ code: 'A0506', retryAfterSeconds: 1 })
  })

  test('by a defect is no outage, and calls no platform', async () => {
    const defect = new TypeError('a defect')
    await expect(asked(holding(defect))).rejects.toBe(defect)
    const claiming = { ...createAwayCache(), setIfAbsent: () => Promise.reject(defect) }
    const app = appOf('wechat', 'wx1')
    const replay = createReplay({ cache: claiming, sealer, clock: testClock() })
    await expect(replay.exchangeOnce(app, 'code', admitted)).rejects.toBe(defect)
    expect(app.exchange).not.toHaveBeenCalled()
  })
})
