/** The signed-in user and their tokens: in memory, which is the truth of this page, and in storage, which outlives it. */
import { attempt, type Host } from './adapters.ts'
import type { TokenReply } from './wire.ts'

/** Renew this long before the access token ends, or after three quarters of a short life. */
const MARGIN_MS = 60_000

export type User = Pick<TokenReply, 'user_id' | 'nickname' | 'is_new_user'>
export type Held = TokenReply & {
  /** When the reply arrived, by the phone's clock: only differences of that one clock are ever taken. */
  receivedAt: number
  /** A server has refused this access token. */
  rejected?: boolean
}
/** What is kept for the next start: the tokens, or that the user logged out on purpose. */
type Stored = Partial<Held> & { loggedOut?: boolean }

export const userOf = ({ user_id, nickname, is_new_user }: Held): User => ({ user_id, nickname, is_new_user })

export function createSession(parts: {
  host: () => Host
  key: () => string
  now: () => number
  changed: (user: User | null) => void
}) {
  let held: Held | undefined
  let loggedOut: boolean | undefined
  let loaded = false

  const user = () => (held ? userOf(held) : null)

  /** Where a write is refused memory carries on, and an old refresh token must not stay behind to be replayed at the next start. */
  function store(value: Stored | undefined): void {
    const write = () => {
      parts.host().write(parts.key(), value)
      return true
    }
    if (!value || !attempt(write)) attempt(() => parts.host().remove(parts.key()))
  }

  function replace(next: Held | undefined): void {
    const before = JSON.stringify(user())
    held = next
    if (JSON.stringify(user()) !== before) parts.changed(user())
  }

  /**
   * Another copy of the SDK (an independent subpackage) may have renewed, or logged out, since this one last looked. Returns whether
   * the user has logged out on purpose.
   */
  function sync(): boolean | undefined {
    loaded = true
    const found = (attempt(() => parts.host().read(parts.key())) || {}) as Stored
    loggedOut = loggedOut || !!found.loggedOut
    if (loggedOut) replace(undefined)
    // Storage may hold an older token than memory, where a write was refused; going back to that one would be a replay.
    else if (found.refresh_token && (!held || (found.receivedAt || 0) > held.receivedAt)) replace(found as Held)
    return loggedOut
  }

  function current(): Held | undefined {
    loaded || sync()
    return held
  }

  /** A token from the future means that the clock was set back: renew, rather than trust it for too long. */
  function usable(share: number, marginMs: number): Held | undefined {
    const token = current()
    if (!token || token.rejected) return undefined
    const lifeMs = token.expires_in * 1000
    const left = token.receivedAt + lifeMs - parts.now()
    return left <= lifeMs && left > Math.min(marginMs, lifeMs * share) ? token : undefined
  }

  return {
    sync,
    current,
    user(): User | null {
      current()
      return user()
    },
    /** The tokens, where the access token has some life before it. */
    fresh: () => usable(1 / 4, MARGIN_MS),
    /** The tokens, where the access token has any life at all. */
    alive: () => usable(0, 0),

    keep(reply: TokenReply): Held {
      const next = Object.assign({ receivedAt: parts.now() }, reply)
      replace(next)
      store(next)
      return next
    },

    /** Signed out, and with `onPurpose` staying so until an explicit login. */
    forget(onPurpose?: boolean): void {
      loaded = true
      loggedOut = onPurpose
      replace(undefined)
      store(onPurpose ? { loggedOut: onPurpose } : undefined)
    },
  }
}
