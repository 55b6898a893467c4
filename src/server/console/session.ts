/** An operator's console session: sealed in a cookie, so that it works on every replica and while a store is away. */
import type { Clock } from '../clock.ts'
import { randomToken } from '../crypto/random.ts'
import { SealError, type Sealer } from '../crypto/seal.ts'
import { type Cache, CacheUnavailable } from '../storage/cache.ts'

export type Scope = 'admin' | 'admin-read'

/** What the next page says once, and what was typed before the session ended. */
export type Flash = { say?: string; lines?: string[]; draft?: Record<string, string> }

export type ConsoleSession = {
  id: string
  /** As the audit trail names the operator, after `operator:`. */
  name: string
  /** How the operator signed in: a token of ADMIN_TOKENS, or OIDC. */
  by: 'token' | 'oidc'
  /** Of the configuration that it hangs on: the token's secret, or the OIDC client. */
  proof: string
  scope: Scope
  csrf: string
  /** Milliseconds since 1970: when it began, was used last, and when a provider asked anew who it is (0: never). */
  since: number
  seen: number
  fresh: number
  flash?: Flash
}

const CONTEXT = 'console-session'
const IDLE_MS = 30 * 60_000
const WHOLE_MS = 12 * 3_600_000
const MINUTE_MS = 60_000

export function createConsoleSessions(parts: { sealer: Sealer; cache: Pick<Cache, 'get' | 'set'>; clock: Clock }) {
  const { sealer, cache, clock } = parts
  const keyOf = (id: string) => `console:ended:${id}`

  /** Signing out is remembered in the cache: while that is away, a cookie that was copied before lives until it is idle. */
  async function hasEnded(id: string): Promise<boolean> {
    try {
      return (await cache.get(keyOf(id))) !== undefined
    } catch (error) {
      if (error instanceof CacheUnavailable) return false
      throw error
    }
  }

  return {
    /** `fresh`: the OIDC provider has just asked for the password again. */
    open(operator: Pick<ConsoleSession, 'name' | 'by' | 'proof' | 'scope'>, fresh: boolean): ConsoleSession {
      const at = clock.now().getTime()
      return { ...operator, id: randomToken(), csrf: randomToken(), since: at, seen: at, fresh: fresh ? at : 0 }
    },

    /** What the cookie holds; `idle` where it was good and is too old. */
    async read(cookie: string | undefined): Promise<ConsoleSession | 'idle' | undefined> {
      if (cookie === undefined) return undefined
      let session: ConsoleSession
      try {
        session = JSON.parse(sealer.open(cookie, CONTEXT)) as ConsoleSession
      } catch (error) {
        if (error instanceof SealError) return undefined
        throw error
      }
      const at = clock.now().getTime()
      if (at - session.seen > IDLE_MS || at - session.since > WHOLE_MS) return 'idle'
      return (await hasEnded(session.id)) ? undefined : session
    },

    /** The cookie for the reply, where it has to change. */
    write(session: ConsoleSession, before: ConsoleSession | undefined): string | undefined {
      const at = clock.now().getTime()
      const same = before?.id === session.id && before.flash === undefined && session.flash === undefined
      if (same && at - session.seen < MINUTE_MS) return undefined
      return sealer.seal(JSON.stringify({ ...session, seen: at }), CONTEXT)
    },

    async end(session: ConsoleSession): Promise<void> {
      await Promise.resolve(cache.set(keyOf(session.id), '1', WHOLE_MS)).catch((error: unknown) => {
        if (!(error instanceof CacheUnavailable)) throw error
      })
    },

    isFresh: (session: ConsoleSession, withinMs: number): boolean => clock.now().getTime() - session.fresh <= withinMs,
  }
}
