/** The configured apps on the platforms that this gateway knows, each platform behind its breaker and its bounds. */
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Sealer } from '../crypto/seal.ts'
import type { Cache } from '../storage/cache.ts'
import type { Send } from './fetch-json.ts'
import { type Apps, createApps } from './registry.ts'
import { type ResilienceParts, withResilience } from './resilience.ts'
import { createSisters } from './sisters.ts'
import { createWechat } from './wechat.ts'
import { createWechatApi } from './wechat-api.ts'
import { createWechatCredentials } from './wechat-credential.ts'

export type KnownAppsParts = {
  config: Pick<Config, 'apps' | 'wechatApiBase' | 'platformApiBases' | 'upstreamMaxConcurrency'>
  send: Send
  cache: Cache
  sealer: Sealer
  clock: Clock
  /** Who is told of the calls to a platform. */
  observe: (platform: string) => Pick<ResilienceParts, 'onCall' | 'onBreaker'>
}

export function createKnownApps({ config, send, cache, sealer, clock, observe }: KnownAppsParts): Apps {
  const apiBase = config.wechatApiBase
  const upstream = { send, cache, sealer, clock }
  const credentials = createWechatCredentials({ apiBase, ...upstream })
  const wechat = createWechat({ send, apiBase, userApi: createWechatApi({ send, apiBase, credentials }) })
  const sisters = createSisters({ apps: config.apps, apiBases: config.platformApiBases, ...upstream })
  const platforms = [wechat, ...sisters].map((platform) =>
    withResilience({ platform, maxConcurrency: config.upstreamMaxConcurrency, ...observe(platform.name) }),
  )
  return createApps({ apps: config.apps, platforms })
}
