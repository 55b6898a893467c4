/** The apps this gateway serves, each with its platform: chosen by appid, never by what a client claims alone. */
import type { Clock } from '../clock.ts'
import { type AppConfig, type Config, isWechatOauth } from '../config/config.ts'
import type { Sealer } from '../crypto/seal.ts'
import { invalidField } from '../errors.ts'
import type { Cache } from '../storage/cache.ts'
import type { Send } from './fetch-json.ts'
import type { AuthorizeRequest, Exchange, Platform, UserApi } from './platform.ts'
import type { LentCredential } from './platform-credential.ts'
import { type ResilienceParts, withResilience } from './resilience.ts'
import { createWechat } from './wechat.ts'
import { createWechatApi } from './wechat-api.ts'
import { createWechatCredentials } from './wechat-credential.ts'
import { createWechatPicture } from './wechat-picture.ts'

export type App = AppConfig & {
  /** Exchanges a login code; throws PlatformError. */
  exchange(code: string): Promise<Exchange>
  /** What the platform does for this app's users beyond login. */
  userApi: UserApi
  /** Where a browser is sent for a code, where the platform has a page for that. */
  authorizeUrl?: (request: AuthorizeRequest) => string
  /** The picture that opens a page of this app with a scene, where the platform makes one. */
  pictureOf?: (scene: string, page: string) => Promise<Uint8Array<ArrayBuffer>>
  /** The app's platform credential, where the platform has one to lend. */
  lendCredential?: (refused?: string) => Promise<LentCredential>
}

export type Apps = {
  /** The app a request means; throws A0400 naming the field that is missing or wrong. */
  choose(appid: string | undefined, platform: string | undefined): App
  find(platform: string, appid: string): App | undefined
  all: readonly App[]
}

export type AppsParts = {
  config: Pick<Config, 'apps' | 'wechatApiBase' | 'wechatOpenBase' | 'platformApiBases' | 'upstreamMaxConcurrency'>
  send: Send
  cache: Cache
  sealer: Sealer
  clock: Clock
  /** Who is told of the calls to a platform. */
  observe: (platform: string) => Pick<ResilienceParts, 'onCall' | 'onBreaker'>
}

/** Each platform behind its breaker and its bounds. Of those beside WeChat's mini programs nothing is loaded unless an app is theirs. */
export async function createApps({ config, send, cache, sealer, clock, observe }: AppsParts): Promise<Apps> {
  const { apps, wechatApiBase: apiBase, wechatOpenBase: openBase } = config
  const upstream = { send, cache, sealer, clock }
  const credentials = createWechatCredentials({ apiBase, ...upstream })
  const wechat = createWechat({ send, apiBase, userApi: createWechatApi({ send, apiBase, credentials }) })
  const oauth = apps.some(({ platform }) => isWechatOauth(platform))
    ? (await import('./wechat-oauth.ts')).createWechatOauth({ send, apiBase, openBase, apps })
    : []
  const others = apps.some(({ platform }) => platform !== 'wechat' && !isWechatOauth(platform))
    ? (await import('./other-platforms.ts')).createOtherPlatforms({
        apps,
        apiBases: config.platformApiBases,
        ...upstream,
      })
    : []
  const platforms = [
    { ...wechat, lendCredential: credentials.lend, pictureOf: createWechatPicture({ send, apiBase, credentials }) },
    ...oauth,
    ...others,
  ].map((platform) =>
    withResilience({ platform, maxConcurrency: config.upstreamMaxConcurrency, ...observe(platform.name) }),
  )
  return appsOn(platforms, apps)
}

type More = Pick<App, 'lendCredential' | 'pictureOf' | 'authorizeUrl'>

const more = ({ lendCredential, pictureOf, authorizeUrl }: Platform, app: AppConfig): More => ({
  ...(authorizeUrl && { authorizeUrl: (request: AuthorizeRequest) => authorizeUrl(app, request) }),
  ...(lendCredential && { lendCredential: (refused?: string) => lendCredential(app, refused) }),
  ...(pictureOf && { pictureOf: (scene: string, page: string) => pictureOf(app, scene, page) }),
})

export function appsOn(platforms: readonly Platform[], apps: readonly AppConfig[]): Apps {
  const all = apps.map((app): App => {
    const platform = platforms.find((one) => one.name === app.platform)
    if (!platform) throw new Error(`no platform "${app.platform}"`)
    return {
      ...app,
      exchange: (code) => platform.exchange(app, code),
      userApi: platform.userApi?.(app) ?? {},
      ...more(platform, app),
    }
  })
  // An app of WeChat OAuth is always named: adding one changes nothing for the program that was there alone.
  const programs = all.filter(({ platform }) => !isWechatOauth(platform))
  const [only, ...others] = programs.length > 0 ? programs : all

  return {
    all,
    find: (platform, appid) => all.find((app) => app.platform === platform && app.appid === appid),
    choose(appid, platform) {
      if (appid === undefined && platform === undefined && others.length === 0 && only) return only
      if (appid === undefined && all.length > 1)
        throw invalidField('appid', 'is required, since several apps are configured')
      const fits = all.filter(
        (app) => (appid === undefined || app.appid === appid) && (platform === undefined || app.platform === platform),
      )
      const [chosen] = fits
      if (!chosen) throw invalidField(appid === undefined ? 'platform' : 'appid', 'is not an app of this gateway')
      if (fits.length > 1) throw invalidField('platform', 'is required, since this appid exists on several platforms')
      return chosen
    },
  }
}
