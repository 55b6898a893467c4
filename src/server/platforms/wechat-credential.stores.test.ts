/** The platform credential's guarantees between replicas, on the in-process cache and on Redis. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createWechatSimulator, type WechatSimulator } from '../../dev/simulator/wechat.ts'
import { createAwayCache } from '../../dev/testing/away-cache.ts'
import { openTestStores, type TestStores } from '../../dev/testing/real-stores.ts'
import { simulatorSend } from '../../dev/testing/test-gateway.ts'
import { type Clock, systemClock, testClock } from '../clock.ts'
import type { AppConfig } from '../config/config.ts'
import { createSealer } from '../crypto/seal.ts'
import { createMemoryCache } from '../storage/cache.memory.ts'
import type { Cache } from '../storage/cache.ts'
import type { Send } from './fetch-json.ts'
import { PlatformError } from './platform.ts'
import { createWechatApi } from './wechat-api.ts'
import { createWechatCredentials } from './wechat-credential.ts'

const STABLE = '/cgi-bin/stable_token'
const apiBase = 'https://api.weixin.qq.com'
const sealer = createSealer([{ id: 'k1', secret: randomBytes(32) }])

let appNumber = 0
let app: AppConfig
let simulator: WechatSimulator
let send: Send
let stores: TestStores

beforeAll(async () => {
  stores = await openTestStores()
})
afterAll(() => stores.close())
// A new app for every test: its credential is under its own key.
beforeEach(() => start(systemClock))

function start(clock: Clock): void {
  appNumber += 1
  app = { platform: 'wechat', appid: `wx00000000000000${appNumber}`, secret: 'a secret of WeChat' }
  simulator = createWechatSimulator({ apps: [app], clock })
  send = simulatorSend(simulator)
}

const replica = (cache: Cache = stores.replica().cache, clock: Clock = systemClock, through = send) =>
  createWechatCredentials({ send: through, apiBase, cache, sealer, clock })

const same = async (credential: string) => credential
const keyOf = () => `platform-credential:wechat:${app.appid}`
const stored = async (cache: Cache) => {
  const sealed = await cache.get(keyOf())
  return sealed === undefined ? undefined : (JSON.parse(sealer.open(sealed, keyOf())) as { text: string }).text
}
const refused = (errcode: string) => new PlatformError('call', 'refused', { refusal: 'credential_invalid', errcode })

/** Answers only once it is let go. */
function held(): { through: Send; asked: Promise<void>; letGo: () => void } {
  let letGo = () => {}
  let ask = () => {}
  const gate = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const asked = new Promise<void>((resolve) => {
    ask = resolve
  })
  const through: Send = async (request) => {
    const reply = await send(request)
    ask()
    await gate
    return reply
  }
  return { through, asked, letGo: () => letGo() }
}

describe('the platform credential', () => {
  test('replicas that need one at once make one upstream call, in normal mode, and all get the same', async () => {
    simulator.fail({ path: STABLE, times: 1, delayMs: 50 })
    const replicas = [replica(), replica(), replica()]
    // Real replicas are connected when requests come.
    await Promise.all(replicas.map(() => new Promise((resolve) => setTimeout(resolve, 50))))
    const all = await Promise.all(Array.from({ length: 30 }, (_, index) => replicas[index % 3]?.use(app, same)))
    expect(new Set(all).size).toBe(1)
    expect(simulator.calls(STABLE)).toBe(1)
    expect(JSON.parse(simulator.lastRequest(STABLE)?.body ?? '')).toMatchObject({
      grant_type: 'client_credential',
      force_refresh: false,
    })
    await replicas[0]?.use(app, same)
    expect(simulator.calls(STABLE)).toBe(1)
  })

  test('a replica that claims the renewal just after another has finished takes what that one got', async () => {
    const { cache } = stores
    const other = replica(cache)
    const setIfAbsent: Cache['setIfAbsent'] = async (key, value, ttlMs) => {
      if (key.endsWith(':renewal')) await other.use(app, same)
      return await cache.setIfAbsent(key, value, ttlMs)
    }
    const late = await replica({ ...cache, setIfAbsent }).use(app, same)
    expect(late).toBe(await other.use(app, same))
    expect(simulator.calls(STABLE)).toBe(1)
  })

  test('it is kept sealed, under the appid', async () => {
    const credential = await replica(stores.cache).use(app, same)
    const sealed = await stores.cache.get(keyOf())
    expect(sealed).toMatch(/^v2\.k1\./)
    expect(sealed).not.toContain(credential)
    expect(await stored(stores.cache)).toBe(credential)
  })

  test.each(['40001', '40014', '42001'])(
    'refused with %s, it is replaced and the call is made once more',
    async (errcode) => {
      const credentials = replica(stores.cache)
      const first = await credentials.use(app, same)
      simulator.revokeCredential(first)
      const used: string[] = []
      const answer = await credentials.use(app, async (credential) => {
        used.push(credential)
        if (credential === first) throw refused(errcode)
        return 'done'
      })
      expect(answer).toBe('done')
      expect(used).toHaveLength(2)
      expect(await stored(stores.cache)).toBe(used[1])
    },
  )

  test('a call whose second credential is refused too fails, and is not made a third time', async () => {
    let calls = 0
    const failing = replica(stores.cache).use(app, async () => {
      calls += 1
      throw refused('40001')
    })
    await expect(failing).rejects.toMatchObject({ refusal: 'credential_invalid' })
    expect(calls).toBe(2)
  })

  test('a replica whose old credential fails does not drop the newer one that another has put there', async () => {
    const [one, other] = [replica(stores.cache), replica(stores.cache)]
    const old = await one.use(app, same)
    await other.use(app, same)
    simulator.revokeCredential(old)
    const call = async (credential: string) => {
      if (credential === old) throw refused('40001')
      return credential
    }
    const renewed = await one.use(app, call)
    expect(simulator.calls(STABLE)).toBe(2)
    expect(await other.use(app, call)).toBe(renewed)
    expect(simulator.calls(STABLE)).toBe(2)
    expect(await stored(stores.cache)).toBe(renewed)
  })

  test('a credential that arrives late never overwrites a newer one', async () => {
    const { through, asked, letGo } = held()
    const slow = replica(stores.cache, systemClock, through).use(app, same)
    await asked
    const late = JSON.parse((await send(stableRequest())).text).access_token
    simulator.revokeCredential(late)
    const newer = JSON.parse((await send(stableRequest())).text).access_token
    const value = { text: newer, expiresAt: Date.now() + 7_200_000 + 60_000 }
    await stores.cache.set(keyOf(), sealer.seal(JSON.stringify(value), keyOf()), 60_000)
    letGo()
    expect(await slow).toBe(newer)
    expect(await stored(stores.cache)).toBe(newer)
  })

  test('a call that fails late with the old one does not drop the newer one that its own process has by then', async () => {
    const credentials = replica(createAwayCache())
    let renewed = ''
    const slow = await credentials.use(app, async (credential) => {
      if (renewed === '') {
        simulator.revokeCredential(credential)
        renewed = await credentials.use(app, async (inner) => {
          if (inner === credential) throw refused('40001')
          return inner
        })
        throw refused('40001')
      }
      return credential
    })
    expect(slow).toBe(renewed)
    expect(simulator.calls(STABLE)).toBe(2)
  })

  test('another kind of failure is passed on, and the credential stays', async () => {
    const credentials = replica(stores.cache)
    const first = await credentials.use(app, same)
    const failing = credentials.use(app, async () => {
      throw new PlatformError('call', 'timeout')
    })
    await expect(failing).rejects.toMatchObject({ failure: 'timeout' })
    expect(await credentials.use(app, same)).toBe(first)
    expect(simulator.calls(STABLE)).toBe(1)
  })

  test('a wrong AppSecret is a matter for the operator, and the next call asks again', async () => {
    const failing = replica(stores.cache).use({ ...app, secret: 'wrong' }, same)
    await expect(failing).rejects.toMatchObject({ refusal: 'misconfigured', errcode: '40001' })
    expect(await replica(stores.cache).use(app, same)).toMatch(/\w{100}/)
  })

  test('without the cache each process gets its own, by one call', async () => {
    const credentials = replica(createAwayCache())
    const all = await Promise.all(Array.from({ length: 20 }, () => credentials.use(app, same)))
    expect(new Set(all).size).toBe(1)
    expect(simulator.calls(STABLE)).toBe(1)
    simulator.revokeCredential(all[0] ?? '')
    const api = createWechatApi({ send, apiBase, credentials })(app)
    expect(await api.phoneNumber(simulator.phoneCode(app.appid, 'ann', '13800138000'), openid('ann'))).toBe(
      '+8613800138000',
    )
  })
})

describe('its renewal', () => {
  test('happens in the background before the end, by one replica, and serves the old one meanwhile', async () => {
    const clock = testClock(new Date())
    start(clock)
    const cache = createMemoryCache({ clock })
    const [one, other] = [replica(cache, clock), replica(cache, clock)]
    const old = await one.use(app, same)
    await other.use(app, same)
    clock.advance(7200 - 239)
    expect(await Promise.all([one.use(app, same), other.use(app, same)])).toEqual([old, old])
    await expect.poll(() => stored(cache)).not.toBe(old)
    expect(simulator.calls(STABLE)).toBe(2)
    clock.advance(11)
    // Whoever lost the claim still has the old one and looks again.
    await Promise.all([one.use(app, same), other.use(app, same)])
    const renewed = await stored(cache)
    await expect.poll(() => Promise.all([one.use(app, same), other.use(app, same)])).toEqual([renewed, renewed])
    expect(simulator.calls(STABLE)).toBe(2)
  })

  test('that fails leaves the old one in use until its end, then is an error', async () => {
    const clock = testClock(new Date())
    start(clock)
    const credentials = replica(createMemoryCache({ clock }), clock)
    const old = await credentials.use(app, same)
    simulator.fail({ path: STABLE, errcode: -1 })
    clock.advance(7200 - 200)
    expect(await credentials.use(app, same)).toBe(old)
    await expect.poll(() => simulator.calls(STABLE)).toBe(2)
    clock.advance(195)
    await expect(credentials.use(app, same)).rejects.toMatchObject({ refusal: 'system_busy' })
    simulator.clearFaults()
    expect(await credentials.use(app, same)).not.toBe(old)
  })
})

const openid = (person: string) => simulator.openidOf(app.appid, person)

function stableRequest() {
  const body = { grant_type: 'client_credential', appid: app.appid, secret: app.secret }
  return {
    operation: 'test',
    method: 'POST' as const,
    url: `${apiBase}${STABLE}`,
    body: JSON.stringify(body),
    timeoutMs: 1000,
  }
}
