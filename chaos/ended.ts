/** Watches that the verifier SDK refuses ended sessions in time: its list's ttl and five seconds, outages of the gateway left out. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Verifier, VerifierError } from '../src/sdk/verifier/verifier.ts'
import type { Fault } from './faults.ts'
import type { Recorder } from './recorder.ts'
import { STATUS_LIST_TTL_SECONDS } from './site.ts'
import type { Excuses, HeldSession } from './users.ts'

export type EndedWatch = {
  add(session: HeldSession): void
  /** Resolves when every session was checked, and once more those whose tokens have not expired yet, whatever happened since. */
  finish(): Promise<void>
  counts(): { refused: number; expired: number }
}

export type EndedWatchParts = {
  verifier: Pick<Verifier, 'verify'>
  faults: () => readonly Fault[]
  recorder: Pick<Recorder, 'violation'>
  excuses: Pick<Excuses, 'mayLiveAgain'>
}

/** The contract, section 7: refused within the list's ttl plus 5 s. */
const WITHIN_MS = (STATUS_LIST_TTL_SECONDS + 5) * 1000
/** How long after a fault a replica's list may be behind: connections are made anew, then the next poll comes. */
const CATCH_UP_MS = 5000
/** Once refused it stays refused, whichever replica the next list comes from. */
const AGAIN_MS = [0, 3000]

export function createEndedWatch({ verifier, faults, recorder, excuses }: EndedWatchParts): EndedWatch {
  const checks = new Set<Promise<void>>()
  const dead: HeldSession[] = []
  let refused = 0
  let expired = 0

  /** A replica cannot publish what it cannot read: while PostgreSQL or a replica is away the clock stands. */
  function dueAt(endedAt: number): number {
    let due = endedAt + WITHIN_MS
    for (const { kind, target, startedAt, endedAt: over } of faults()) {
      if (kind === 'replica restarted' || (target !== 'postgres' && target !== 'replica')) continue
      if (startedAt <= due && over + CATCH_UP_MS >= endedAt) due = Math.max(due, over + CATCH_UP_MS + WITHIN_MS)
    }
    return due
  }

  async function waitUntilDue(endedAt: number): Promise<void> {
    while (performance.now() < dueAt(endedAt)) await sleep(200)
  }

  const verdict = ({ tokens }: HeldSession): Promise<string> =>
    verifier.verify(tokens.token).then(
      () => 'accepted',
      (error) => (error instanceof VerifierError ? error.code : String(error)),
    )

  async function check(session: HeldSession, endedAt: number): Promise<void> {
    for (const laterMs of AGAIN_MS) {
      await sleep(laterMs)
      await waitUntilDue(endedAt)
      const outcome = await verdict(session)
      if (outcome === 'token_expired') {
        expired += 1
        return
      }
      if (outcome !== 'session_ended') {
        if (session.endedUnseen && excuses.mayLiveAgain(session)) return
        const seconds = ((performance.now() - endedAt) / 1000).toFixed(1)
        recorder.violation(`${session.name}: ${seconds} s after logout the verifier says: ${outcome}`)
        return
      }
    }
    refused += 1
    dead.push(session)
  }

  /** A replica that was started since, or a database that was put back, must not have forgotten it. */
  async function checkAgain(session: HeldSession): Promise<void> {
    const outcome = await verdict(session)
    // Expired, or even its key is gone by now: refused all the same.
    if (outcome !== 'accepted') return
    if (session.endedUnseen && excuses.mayLiveAgain(session)) return
    recorder.violation(`${session.name}: at the end of the run the verifier says of the ended session: ${outcome}`)
  }

  return {
    add(session) {
      const running = check(session, performance.now()).finally(() => checks.delete(running))
      checks.add(running)
    },
    async finish() {
      await Promise.all(checks)
      await Promise.all(dead.map(checkAgain))
    },
    counts: () => ({ refused, expired }),
  }
}
