/** An app token is one for all replicas, kept sealed, renewed before and after its time, and never in the way of the three seconds. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openTestStores, type TestStores } from '../../dev/testing/real-stores.ts'
import { testClock } from '../clock.ts'
import type { AppConfig } from '../config/config.ts'
import { createSealer } from '../crypto/seal.ts'
import { CacheUnavailable } from '../storage/cache.ts'
import { PlatformError } from './platform.ts'
import { createPlatformCredentials, type FetchedCredential } from './platform-credential.ts'
import { startTimeBudget } from './time-budget.ts'

let stores: TestStores
const clock = testClock(new Date())
const sealer = createSealer([{ id: 'k1', secret: Buffer.alloc(32, 7) }])
let app: AppConfig
let fetches: number
let fetched: () => Promise<FetchedCredential>

beforeAll(async () => {
  stores = await openTestStores({ clock })
})
afterAll(() => stores.close())
beforeEach(() => {
  app = { platform: 'xiaohongshu', appid: crypto.randomUUID(), secret: 'secret' }
  fetches = 0
  fetched = async () => ({ text: `token-${fetches}`, expiresInSeconds: 7200 })
})

function replica(cache = stores.cache) {
  return createPlatformCredentials({
    platform: 'xiaohongshu',
    cache,
    sealer,
    clock,
    fetchCredential: () => {
      fetches += 1
      return fetched()
    },
  })
}

const echo = async (credential: string) => credential
const use = (credentials: ReturnType<typeof replica>, call: (credential: string) => Promise<string> = echo) =>
  credentials.use(app, call, startTimeBudget())
const refused = () => Promise.reject(new PlatformError('call', 'refused', { refusal: 'credential_invalid' }))

describe('a platform credential', () => {
  test('is fetched once for parallel calls on two replicas, and is sealed where they share it', async () => {
    const replicas = [replica(), replica()]
    const used = await Promise.all(Array.from({ length: 20 }, (_, index) => use(replicas[index % 2] ?? replica())))
    expect(new Set(used)).toEqual(new Set(['token-1']))
    expect(fetches).toBe(1)
    expect(await stores.cache.get(`platform-credential:xiaohongshu:${app.appid}`)).toMatch(/^v2\.k1\./)
  })

  test('that the platform refuses early is replaced within the same login, once', async () => {
    const credentials = replica()
    await use(credentials)
    expect(await use(credentials, (text) => (text === 'token-1' ? refused() : echo(text)))).toBe('token-2')
    await expect(use(credentials, refused)).rejects.toMatchObject({ refusal: 'credential_invalid' })
    expect(fetches).toBe(3)
  })

  test('that another replica renewed is taken over, not renewed again', async () => {
    const [one, other] = [replica(), replica()]
    await Promise.all([use(one), use(other)])
    expect(await use(one, (text) => (text === 'token-1' ? refused() : echo(text)))).toBe('token-2')
    expect(await use(other, (text) => (text === 'token-1' ? refused() : echo(text)))).toBe('token-2')
    expect(fetches).toBe(2)
  })

  test('works without the cache', async () => {
    const away = async () => {
      throw new CacheUnavailable(new Error('down'))
    }
    const cache = {
      ...stores.cache,
      get: away,
      set: away,
      setIfAbsent: away,
      replace: away,
      delete: away,
      deleteIf: away,
    }
    const credentials = replica(cache)
    expect(await use(credentials)).toBe('token-1')
    expect(await use(credentials)).toBe('token-1')
    expect(fetches).toBe(1)
  })

  test('that does not come in time fails that login by its time limit, and serves the next one', async () => {
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    fetched = () => held.then(() => ({ text: 'late', expiresInSeconds: 7200 }))
    const credentials = replica()
    await expect(credentials.use(app, echo, startTimeBudget(50))).rejects.toMatchObject({ failure: 'timeout' })
    release()
    expect(await use(credentials)).toBe('late')
    expect(fetches).toBe(1)
  })

  test('is not the same for an app of the same name elsewhere', async () => {
    await use(replica())
    const other = createPlatformCredentials({
      platform: 'wecom',
      cache: stores.cache,
      sealer,
      clock,
      fetchCredential: async () => ({ text: 'of-wecom', expiresInSeconds: 7200 }),
    })
    expect(await use(other)).toBe('of-wecom')
  })
})
