/** A simulator for one test file: three apps, a clock that stands still, and the calls a gateway makes; new for every test. */
import { createDecipheriv } from 'node:crypto'
import { beforeEach } from 'vitest'
import { testClock } from '../../server/clock.ts'
import { createWechatSimulator, type WechatSimulatorOptions } from '../simulator/wechat.ts'

export const SHOP = 'wx00000000000shop'
export const CLUB = 'wx00000000000club'
export const LONE = 'wx00000000000lone'
const SECRETS: Record<string, string> = { [SHOP]: 'shop-secret', [CLUB]: 'club-secret', [LONE]: 'lone-secret' }
const apps = Object.entries(SECRETS).map(([appid, secret]) =>
  appid === LONE ? { appid, secret } : { appid, secret, openPlatform: 'acme' },
)

export type Json = Record<string, unknown>

export function simulatorFixture(options: Partial<WechatSimulatorOptions> = {}) {
  const fresh = () => {
    const clock = testClock()
    return { clock, wechat: createWechatSimulator({ apps, clock, ...options }) }
  }
  let current = fresh()
  beforeEach(() => {
    current = fresh()
  })

  async function call(path: string, query: Record<string, string> = {}, body?: unknown): Promise<Json> {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    const response = await current.wechat.app.request(`${path}?${new URLSearchParams(query)}`, init)
    return JSON.parse(await response.text())
  }

  const stable = (more: Json = {}, appid = SHOP) =>
    call('/cgi-bin/stable_token', {}, { grant_type: 'client_credential', appid, secret: SECRETS[appid], ...more })

  return {
    get wechat() {
      return current.wechat
    },
    get clock() {
      return current.clock
    },
    call,
    exchange: (code: string, appid = SHOP) => call('/sns/jscode2session', exchangeQuery(code, appid)),
    stable,
    credential: async (appid = SHOP) => String((await stable({}, appid)).access_token),
  }
}

export function exchangeQuery(code: string, appid = SHOP): Record<string, string> {
  return { appid, secret: SECRETS[appid] ?? '', js_code: code, grant_type: 'authorization_code' }
}

/** What the gateway does with encryptedData, done here independently of it. */
export function open({ encryptedData, iv }: { encryptedData: string; iv: string }, sessionKey: string): Json {
  const decipher = createDecipheriv('aes-128-cbc', Buffer.from(sessionKey, 'base64'), Buffer.from(iv, 'base64'))
  return JSON.parse(decipher.update(encryptedData, 'base64', 'utf8') + decipher.final('utf8'))
}
