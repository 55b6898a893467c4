/**
 * What binds an answer of WeChat to the browser that asked (RFC 6749 section 10.12): the state in the address, a sealed cookie of the
 * same name, ten minutes, once.
 */
import { hash, randomInt } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { randomToken } from '../../crypto/random.ts'
import { SealError, type Sealer } from '../../crypto/seal.ts'
import type { App } from '../../platforms/registry.ts'
import type { Cache } from '../../storage/cache.ts'

export const STATE_SECONDS = 600
/** So many logins may be under way in one browser; more of them would only make its requests longer. */
const PLACES = 8

export type OauthStates = ReturnType<typeof createOauthStates>

export type OauthStateParts = {
  sealer: Sealer
  cache: Pick<Cache, 'setIfAbsent'>
  clock: Clock
  /** Whether the gateway is reached by https: then no other host can plant the cookie (the prefix `__Host-`). */
  secure: boolean
}

export function createOauthStates({ sealer, cache, clock, secure }: OauthStateParts) {
  const contextOf = ({ platform, appid }: App, state: string) => `oauth:${platform}:${appid}:${state}`

  return {
    cookieOf: (state: string) => `${secure ? '__Host-' : ''}oauth-${state[0]}`,

    make(app: App, redirectUri: string): { state: string; cookie: string } {
      const state = `${randomInt(PLACES)}${randomToken()}`
      const kept = JSON.stringify({ redirectUri, at: clock.now().getTime() })
      return { state, cookie: sealer.seal(kept, contextOf(app, state)) }
    },

    /** Where that browser is to go from here. Undefined for another browser's state, another app's, an old or a made-up one. */
    read(app: App, state: string, cookie: string | undefined): string | undefined {
      if (cookie === undefined) return undefined
      try {
        const { redirectUri, at } = JSON.parse(sealer.open(cookie, contextOf(app, state)))
        return clock.now().getTime() - at <= STATE_SECONDS * 1000 ? redirectUri : undefined
      } catch (error) {
        if (error instanceof SealError) return undefined
        throw error
      }
    },

    /** Whether this is its first use, on whichever replica. Throws B0320 while the cache is down. */
    spend: async (state: string): Promise<boolean> =>
      await cache.setIfAbsent(`oauth-state:${hash('sha256', state, 'base64url')}`, '1', STATE_SECONDS * 1000),
  }
}
