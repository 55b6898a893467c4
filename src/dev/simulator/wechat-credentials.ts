/** WeChat's own access_tokens (our "platform credentials"): two separate families per app, with their overlaps and limits. */
import type { Clock } from '../../server/clock.ts'
import { randomAlphanumerics } from './wechat-crypto.ts'

type Credential = { accessToken: string; appid: string; expiresAt: number; supersededAt: number | undefined }

const LIFETIME_MS = 7200_000
const OVERLAP_MS = 300_000
const FORCED_PER_DAY = 20
const FORCED_APART_MS = 30_000
const DAY_MS = 86_400_000
const BEIJING_OFFSET_MS = 8 * 3600_000
const REMEMBERED = 10_000

/** `check` gives the appid a token speaks for, or the errcode of its refusal. */
export function createCredentials(clock: Clock) {
  const all = new Map<string, Credential>()
  const plain = new Map<string, Credential>()
  const stable = new Map<string, Credential[]>()
  const forced = new Map<string, { day: number; count: number; at: number }>()
  const time = () => clock.now().getTime()

  function issue(appid: string): Credential {
    const accessToken = `${randomAlphanumerics(2)}_${randomAlphanumerics(133)}`
    const credential = { accessToken, appid, expiresAt: time() + LIFETIME_MS, supersededAt: undefined }
    all.set(accessToken, credential)
    for (const oldest of all.keys()) {
      if (all.size <= REMEMBERED) break
      all.delete(oldest)
    }
    return credential
  }

  function answer({ accessToken, expiresAt }: Credential) {
    return { access_token: accessToken, expires_in: Math.floor((expiresAt - time()) / 1000) }
  }

  /** getAccessToken: every call mints; the one before lives five more minutes. */
  function mint(appid: string) {
    const previous = plain.get(appid)
    if (previous) previous.supersededAt = time() + OVERLAP_MS
    const next = issue(appid)
    plain.set(appid, next)
    return answer(next)
  }

  /** getStableAccessToken: the same token until five minutes before its end, then a new one beside it. */
  function mintStable(appid: string, forceRefresh: boolean) {
    const living = (stable.get(appid) ?? []).filter(({ expiresAt }) => expiresAt > time())
    const newest = living.at(-1)
    const refreshed = forceRefresh && mayForce(appid)
    if (newest && !refreshed && newest.expiresAt - time() >= OVERLAP_MS) return answer(newest)
    if (refreshed) for (const credential of living) credential.supersededAt = time()
    const next = issue(appid)
    stable.set(appid, refreshed ? [next] : [...living, next])
    return answer(next)
  }

  // At most 20 a day and 30 seconds apart; past that WeChat answers as if it had not been asked to force.
  function mayForce(appid: string): boolean {
    const day = Math.floor((time() + BEIJING_OFFSET_MS) / DAY_MS)
    const last = forced.get(appid)
    const count = last?.day === day ? last.count : 0
    if (count >= FORCED_PER_DAY || (last && time() - last.at < FORCED_APART_MS)) return false
    forced.set(appid, { day, count: count + 1, at: time() })
    return true
  }

  function check(accessToken: string | undefined): { appid: string } | { errcode: number } {
    if (!accessToken) return { errcode: 41001 }
    const credential = all.get(accessToken)
    if (!credential) return { errcode: /^\w{100,512}$/.test(accessToken) ? 40001 : 40014 }
    if (credential.supersededAt !== undefined && credential.supersededAt <= time()) return { errcode: 40001 }
    if (credential.expiresAt <= time()) return { errcode: 42001 }
    return { appid: credential.appid }
  }

  /** WeChat forgets a token before its time, as after a leak or a change of secret: 40001 from here on. */
  function revoke(accessToken: string): void {
    const credential = all.get(accessToken)
    if (credential) credential.supersededAt = time()
    for (const [appid, living] of stable) {
      stable.set(
        appid,
        living.filter((one) => one.accessToken !== accessToken),
      )
    }
  }

  return { mint, mintStable, check, revoke }
}

export type Credentials = ReturnType<typeof createCredentials>
