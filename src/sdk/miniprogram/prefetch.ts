/** A login that WeChat fetched before the program ran (data prefetch): taken once, while it is young and whole; anything else is no login. */
import type { Host } from './adapters.ts'
import type { TokenReply } from './wire.ts'

/** The gateway answers the same code again for as long (contract section 4.2). */
const MAX_AGE_MS = 60_000

/** `userId`: whose program this has been so far, where somebody was logged in. */
export async function prefetchedLogin(
  host: Host,
  now: () => number,
  userId: string | undefined,
): Promise<TokenReply | undefined> {
  try {
    const { code, data } = JSON.parse(await host.prefetched())
    const age = now() - data.at * 1000
    const whole = code === '00000' && data.token && data.refresh_token && data.user_id && data.expires_in > 0
    if (!whole || !(Math.abs(age) < MAX_AGE_MS) || (userId && userId !== data.user_id)) return undefined
    // It has been alive for a while; `at` is whole seconds.
    data.expires_in -= Math.ceil(Math.max(age, 0) / 1000)
    delete data.at
    return data
  } catch (_) {
    return undefined
  }
}
