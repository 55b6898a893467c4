/** Holds calls to a platform within bounds: so many at a time, and none for a moment while it keeps failing. */
import { CircuitState, CountBreaker, circuitBreaker, handleAll } from 'cockatiel'
import type { AppConfig } from '../config/config.ts'
import { type Platform, PlatformError, type UserApi } from './platform.ts'

/** `ok`, the way it failed, or the platform's error code where it is one we know: a bounded set, fit for a metric's label. */
export type CallOutcome = string

export type ResilienceParts = {
  platform: Platform
  /** Calls under way upstream at a time, for each app and operation. */
  maxConcurrency: number
  onCall: (operation: string, outcome: CallOutcome, seconds: number) => void
  onBreaker: (open: boolean) => void
}

/** Opens when more than half of the last 20 calls failed, and at least 10 were made; after a second one call tries again. */
const BREAKER = { threshold: 0.5, size: 20, minimumNumberOfCalls: 10 }
const OPEN_MS = 1000

/**
 * As many again may wait for a connection: the sender's time limit covers that wait, so nobody waits longer for being queued,
 * and beyond it a call is shed at once.
 */
const ADMITTED_PER_CONNECTION = 2

/** The same platform, each app and operation behind its own limits: a paid call that hangs does not stop logins. */
export function withResilience({ platform, maxConcurrency, onCall, onBreaker }: ResilienceParts): Platform {
  const { lendCredential, pictureOf, authorizeUrl } = platform
  const guards = new Map<string, Guard>()
  const openBreakers = new Set<string>()

  function guardOf(appid: string, operation: string): Guard {
    const id = `${appid} ${operation}`
    let guard = guards.get(id)
    if (!guard) {
      guard = createGuard({
        operation,
        admitted: maxConcurrency * ADMITTED_PER_CONNECTION,
        onCall: (outcome, seconds) => onCall(operation, outcome, seconds),
        onBreaker: (open) => {
          if (open) openBreakers.add(id)
          else openBreakers.delete(id)
          onBreaker(openBreakers.size > 0)
        },
      })
      guards.set(id, guard)
    }
    return guard
  }

  function userApiOf(app: AppConfig): UserApi {
    const { phoneNumber, checkText, checkSessionKey, resetSessionKey } = platform.userApi?.(app) ?? {}
    const guarded =
      <Args extends unknown[], Result>(operation: string, call: (...args: Args) => Promise<Result>) =>
      (...args: Args) =>
        guardOf(app.appid, operation)(() => call(...args))
    return {
      ...(phoneNumber && { phoneNumber: guarded('phoneNumber', phoneNumber) }),
      ...(checkText && { checkText: guarded('checkText', checkText) }),
      ...(checkSessionKey && { checkSessionKey: guarded('checkSessionKey', checkSessionKey) }),
      ...(resetSessionKey && { resetSessionKey: guarded('resetSessionKey', resetSessionKey) }),
    }
  }

  return {
    name: platform.name,
    exchange: (app, code) => guardOf(app.appid, 'exchange')(() => platform.exchange(app, code)),
    userApi: userApiOf,
    ...(authorizeUrl && { authorizeUrl }),
    ...(pictureOf && {
      pictureOf: (app: AppConfig, scene: string, page: string) =>
        guardOf(app.appid, 'pictureOf')(() => pictureOf(app, scene, page)),
    }),
    ...(lendCredential && {
      lendCredential: (app: AppConfig, refused?: string) =>
        guardOf(app.appid, 'lendCredential')(() => lendCredential(app, refused)),
    }),
  }
}

export type Guard = <T>(call: () => Promise<T>) => Promise<T>

export type GuardParts = {
  operation: string
  admitted: number
  onCall: (outcome: CallOutcome, seconds: number) => void
  onBreaker: (open: boolean) => void
}

export function createGuard({ operation, admitted, onCall, onBreaker }: GuardParts): Guard {
  const breaker = circuitBreaker(handleAll, { halfOpenAfter: OPEN_MS, breaker: new CountBreaker(BREAKER) })
  breaker.onBreak(() => onBreaker(true))
  breaker.onReset(() => onBreaker(false))
  let underWay = 0

  const shed = (note: string) => {
    onCall('busy', 0)
    return new PlatformError(operation, 'busy', { note })
  }

  return async <T>(call: () => Promise<T>): Promise<T> => {
    // While one call tries, cockatiel lets the others wait for it; a login is better told at once.
    if (breaker.state === CircuitState.HalfOpen) throw shed('keeps failing')
    if (underWay >= admitted) throw shed('too many under way')
    let called = false
    let refusal: unknown
    /** Only an outage counts against the platform; a refusal is an answer, so it goes around the breaker. */
    const counted = async (): Promise<T | undefined> => {
      called = true
      const startedAt = performance.now()
      const seconds = () => (performance.now() - startedAt) / 1000
      try {
        const value = await call()
        onCall('ok', seconds())
        return value
      } catch (error) {
        onCall(outcomeOf(error), seconds())
        if (isOutage(error)) throw error
        refusal = error
      }
    }
    underWay += 1
    try {
      const value = await breaker.execute(counted)
      if (refusal !== undefined) throw refusal
      return value as T
    } catch (error) {
      if (called) throw error
      throw shed('keeps failing')
    } finally {
      underWay -= 1
    }
  }
}

/**
 * No answer, a broken connection, 5xx or "system busy". Any other answer may be about what one sender sent (a firewall's page for an
 * odd code, a phone number of an odd form), and nobody may stop the others with that.
 */
function isOutage(error: unknown): boolean {
  if (!(error instanceof PlatformError)) return false
  const { failure, refusal, errcode } = error
  if (failure === 'status') return Number(errcode) >= 500
  return failure === 'timeout' || failure === 'unreachable' || refusal === 'system_busy'
}

function outcomeOf(error: unknown): CallOutcome {
  if (!(error instanceof PlatformError)) return 'defect'
  if (error.failure !== 'refused') return error.failure
  return error.refusal === 'unknown' ? 'unknown' : (error.errcode ?? 'refused')
}
