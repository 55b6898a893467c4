/** A fuse against login storms: a server that keeps refusing fresh tokens gets a few renewals, then one per pause, not one per request. */
import { AuthError, restate } from './error.ts'

const LIMIT = 4
const WINDOW_MS = 30_000
const PAUSE_MS = 10_000
/** However long a Retry-After may be, a phone asks again after this. */
const MAX_PAUSE_MS = 300_000

export function createFuse(now: () => number) {
  let started: number[] = []
  let openUntil = 0
  const tooMany = new AuthError('FUSE_OPEN', '操作过于频繁')
  let cause = tooMany

  /** Nobody asks again before a pause, or before the server's Retry-After, is over. */
  function open(reason: AuthError, ms: number): void {
    cause = reason
    openUntil = now() + Math.min(ms, MAX_PAUSE_MS)
  }

  return {
    open,

    /**
     * Takes one renewal out of the budget, or throws while the fuse is open. What a person `asked` for is no storm: it is not counted,
     * and waits for the server's Retry-After alone.
     */
    enter(asked?: boolean): void {
      const at = now()
      started = started.filter((time) => time <= at && at - time < WINDOW_MS)
      if (!asked && started.length >= LIMIT) {
        // What stays leaves room for one trial after the pause; a storm that goes on opens the fuse again.
        started = started.slice(1)
        open(tooMany, PAUSE_MS)
      }
      const left = openUntil - at
      // A phone's clock may be set back; then `left` is longer than any pause could be.
      if (left > 0 && left <= MAX_PAUSE_MS && !(asked && cause === tooMany)) {
        const retryAfter = Math.ceil(left / 1000)
        const msg = cause === tooMany ? `${cause.msg}，请 ${retryAfter} 秒后再试` : cause.msg
        throw restate(cause, { retryAfter }, msg)
      }
      if (!asked) started.push(at)
    },

    /** A renewal that never left the phone is no storm: being offline must not cost the first seconds of being online. */
    refund(): void {
      started.pop()
    },
  }
}
