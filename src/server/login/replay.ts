/** One exchange per login code, on however many replicas: the first one exchanges, the others wait for what it got. */
import { hash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { randomToken, uuidv7 } from '../crypto/random.ts'
import { SealError, type Sealer } from '../crypto/seal.ts'
import { GatewayError } from '../errors.ts'
import { type Exchange, PlatformError, type Refusal } from '../platforms/platform.ts'
import type { App } from '../platforms/registry.ts'
import { type Cache, CacheUnavailable } from '../storage/cache.ts'
import type { Admission } from './admission.ts'

/** An exchange, with the ids that make the sign-in after it the same one however often it is repeated. */
export type Exchanged = Exchange & { sid: string; newUserId: string }

export type Replay = {
  /**
   * The result of this code's one exchange, made once admission is granted; until then the code is claimed, which shares a round
   * trip with the counting. Throws A0501, PlatformError as the exchange did, or A0506 when it does not come in time.
   */
  exchangeOnce(app: App, code: string, admission: Admission): Promise<Exchanged>
}

/** How long a finished result answers the same code again. */
const REPLAY_MS = 60_000
/** A claim outlives the slowest exchange; if its owner dies, another may try. */
const CLAIM_MS = 8000
const WAIT_MS = 4000
const POLL_MS = 40
/** How many results are kept in the process, without the cache. */
const MAX_LOCAL = 20_000

/** What is asked for, and until when somebody else's result is waited for. */
type Asked = { key: string; app: App; code: string; admission: Admission; until: number }
type Outcome = { exchanged: Exchanged } | { refused: { operation: string; refusal: Refusal; errcode: string } }

const CLAIM_PREFIX = 'claim:'

/** The cache went away while another replica held the claim: the client may ask again. */
function stillWaiting(error: unknown): never {
  if (error instanceof CacheUnavailable) throw new GatewayError('A0506', { cause: error, retryAfterSeconds: 1 })
  throw error
}

export function createReplay({ cache, sealer, clock }: { cache: Cache; sealer: Sealer; clock: Clock }): Replay {
  /**
   * What this process is exchanging. A finished one is known to the cache and forgotten here; only without the cache is it kept
   * for its minute, since thousands a second would fill the memory.
   */
  const local = new Map<string, { outcome: Promise<Outcome>; at: number }>()

  function forgetOld(): void {
    const oldest = clock.now().getTime() - REPLAY_MS
    for (const [key, entry] of local) {
      if (entry.at > oldest && local.size <= MAX_LOCAL) return
      local.delete(key)
    }
  }

  async function exchange(app: App, code: string): Promise<Outcome> {
    try {
      const now = clock.now()
      const exchanged = await app.exchange(code)
      return { exchanged: { ...exchanged, sid: uuidv7(now), newUserId: uuidv7(now) } }
    } catch (error) {
      // A refusal of the code itself is final. Anything else may pass, so the next request may try again.
      if (error instanceof PlatformError && (error.refusal === 'code_invalid' || error.refusal === 'snapshot_user')) {
        return { refused: { operation: error.operation, refusal: error.refusal, errcode: error.errcode ?? '' } }
      }
      throw error
    }
  }

  async function claimAndExchange(asked: Asked): Promise<Outcome> {
    const { key, app, code, admission } = asked
    const claim = CLAIM_PREFIX + randomToken()
    let claimed: boolean
    try {
      claimed = await cache.setIfAbsent(key, claim, CLAIM_MS)
    } catch (error) {
      if (!(error instanceof CacheUnavailable)) throw error
      await admission.granted()
      return await exchange(app, code)
    }
    if (!claimed) {
      const outcome = await waitForOther(asked)
      local.delete(key)
      return outcome
    }
    try {
      await admission.granted()
      const outcome = await exchange(app, code)
      // Not awaited: it travels with the sign-in statement. If it is lost, a repeated code is refused by the platform.
      void cache.set(key, sealer.seal(JSON.stringify(outcome), key), REPLAY_MS).then(
        () => local.delete(key),
        () => undefined,
      )
      return outcome
    } catch (error) {
      void cache.deleteIf(key, claim).catch(() => undefined)
      throw error
    }
  }

  /** Undefined when its encryption key was taken away: the code is then exchanged anew. */
  function openOutcome(sealed: string, key: string): Outcome | undefined {
    try {
      return JSON.parse(sealer.open(sealed, key)) as Outcome
    } catch (error) {
      if (error instanceof SealError) return undefined
      throw error
    }
  }

  async function waitForOther(asked: Asked): Promise<Outcome> {
    const { key } = asked
    while (performance.now() < asked.until) {
      const value = await cache.get(key).catch(stillWaiting)
      // The owner failed and let go: our turn.
      if (value === undefined) return await claimAndExchange(asked)
      if (!value.startsWith(CLAIM_PREFIX)) {
        const outcome = openOutcome(value, key)
        if (outcome) return outcome
        await cache.deleteIf(key, value).catch(stillWaiting)
      }
      await pause(POLL_MS)
    }
    throw new GatewayError('A0506', { retryAfterSeconds: 1 })
  }

  return {
    async exchangeOnce(app, code, admission) {
      // The code is a bearer secret for its five minutes: only its hash is kept.
      const digest = hash('sha256', `${app.platform}\n${app.appid}\n${code}`, 'base64url')
      const key = `exchange:${digest}`
      let entry = local.get(key)
      if (!entry || entry.at <= clock.now().getTime() - REPLAY_MS) {
        forgetOld()
        local.delete(key)
        const asked = { key, app, code, admission, until: performance.now() + WAIT_MS }
        entry = { outcome: claimAndExchange(asked), at: clock.now().getTime() }
        local.set(key, entry)
        entry.outcome.catch(() => local.delete(key))
      }
      const outcome = await entry.outcome
      await admission.granted()
      if ('exchanged' in outcome) return outcome.exchanged
      const { operation, ...parts } = outcome.refused
      throw new PlatformError(operation, 'refused', parts)
    },
  }
}
