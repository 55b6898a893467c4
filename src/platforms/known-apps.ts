/** The configured apps on the platforms that this gateway knows. */
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Sealer } from '../crypto/seal.ts'
import type { Cache } from '../storage/cache.ts'
import type { Send } from './fetch-json.ts'
import { type Apps, createApps } from './registry.ts'
import { createWechat } from './wechat.ts'
import { createWechatApi } from './wechat-api.ts'
import { createWechatCredentials } from './wechat-credential.ts'

export type KnownAppsParts = {
  config: Pick<Config, 'apps' | 'wechatApiBase'>
  send: Send
  cache: Cache
  sealer: Sealer
  clock: Clock
}

export function createKnownApps({ config, send, cache, sealer, clock }: KnownAppsParts): Apps {
  const apiBase = config.wechatApiBase
  const credentials = createWechatCredentials({ send, apiBase, cache, sealer, clock })
  const wechat = createWechat({ send, apiBase, userApi: createWechatApi({ send, apiBase, credentials }) })
  return createApps({ apps: config.apps, platforms: [wechat] })
}
