/** Device requests (RFC 8628) in the cache: who asks, under which user code, and what became of it. Every change is a compare and swap. */
import { hash, randomInt } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { randomToken } from '../../crypto/random.ts'
import type { Cache } from '../../storage/cache.ts'

export const DEVICE_SECONDS = 600
export const INTERVAL_SECONDS = 5
/** Kept longer than they are good, so that a late poll is told `expired_token`. */
const KEEP_MS = 2 * DEVICE_SECONDS * 1000
/** Letters that make no words and are not mistaken for each other (RFC 8628 section 6.1). */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ'
const CODE_LETTERS = 8
const MAX_ATTEMPTS = 8

export type DeviceRequest = {
  clientId: string
  userCode: string
  /** The session that its tokens will belong to. */
  sid: string
  ip: string | undefined
  userAgent: string | undefined
  /** Seconds since 1970. */
  at: number
  intervalSeconds: number
  polledAt: number
  state: 'pending' | 'approved' | 'denied'
  userId?: string
}

export type DeviceRequests = ReturnType<typeof createDeviceRequests>

export function createDeviceRequests({ cache, clock }: { cache: Cache; clock: Clock }) {
  // The device code is a secret: the cache and the picture's address know its hash alone.
  const idOf = (deviceCode: string) => hash('sha256', deviceCode, 'base64url')
  const keyOf = (id: string) => `device:${id}`
  const userKeyOf = (userCode: string) => `device-user:${userCode}`
  const nowSeconds = () => clock.now().getTime() / 1000

  async function read(id: string): Promise<{ text: string; request: DeviceRequest } | undefined> {
    const text = await cache.get(keyOf(id))
    return text === undefined ? undefined : { text, request: JSON.parse(text) as DeviceRequest }
  }

  return {
    nowSeconds,
    isExpired: (request: DeviceRequest) => nowSeconds() > request.at + DEVICE_SECONDS,

    async create(asked: Pick<DeviceRequest, 'clientId' | 'sid' | 'ip' | 'userAgent'>) {
      const deviceCode = `d1.${randomToken()}`
      const id = idOf(deviceCode)
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
        const userCode = Array.from({ length: CODE_LETTERS }, () => LETTERS[randomInt(LETTERS.length)]).join('')
        if (!(await cache.setIfAbsent(userKeyOf(userCode), id, DEVICE_SECONDS * 1000))) continue
        const request: DeviceRequest = {
          ...asked,
          userCode,
          at: Math.floor(nowSeconds()),
          intervalSeconds: INTERVAL_SECONDS,
          polledAt: 0,
          state: 'pending',
        }
        await cache.set(keyOf(id), JSON.stringify(request), KEEP_MS)
        return { deviceCode, id, request }
      }
      throw new Error('no free user code was found')
    },

    read: async (id: string) => (await read(id))?.request,
    byDeviceCode: async (deviceCode: string) => (await read(idOf(deviceCode)))?.request,

    async byUserCode(userCode: string): Promise<{ id: string; request: DeviceRequest } | undefined> {
      const id = await cache.get(userKeyOf(userCode))
      const found = id === undefined ? undefined : await read(id)
      return found && id !== undefined ? { id, request: found.request } : undefined
    },

    /** Changes the request as it is at that moment; `change` answers undefined to leave it. Answers what it changed it to. */
    async change(id: string, change: (request: DeviceRequest) => DeviceRequest | undefined) {
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
        const found = await read(id)
        const changed = found && change(found.request)
        if (!found || !changed) return undefined
        if (await cache.replace(keyOf(id), found.text, JSON.stringify(changed), KEEP_MS)) return changed
      }
      return undefined
    },

    /** Takes an approved request out of the cache: of any number of polls one has it. */
    async take(deviceCode: string): Promise<DeviceRequest | undefined> {
      const id = idOf(deviceCode)
      const found = await read(id)
      if (found?.request.state !== 'approved') return undefined
      if (!(await cache.deleteIf(keyOf(id), found.text))) return undefined
      await cache.delete(userKeyOf(found.request.userCode))
      return found.request
    },
    idOf,
  }
}
