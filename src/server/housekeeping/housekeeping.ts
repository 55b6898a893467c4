/**
 * Deletes what is over: expired sessions, addresses of erased users and old audit events, in small steps with pauses between, every six hours, by one
 * replica at a time. (Replay records and session_keys live in the cache and expire there.)
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { isLockTimeout } from '../storage/sqlstate.ts'
import type { HousekeepingStore, Step } from './store.ts'

export type Housekeeping = {
  everyMs: number
  /** Does what is due, as far as one run may go; the next run, here or on another replica, goes on from there. */
  run(): Promise<void>
  /** After the step under way. */
  stop(): void
}

export type HousekeepingParts = {
  store: HousekeepingStore
  clock: Clock
  /** The longest lifetime of an access token. */
  tokenTtlSeconds: number
  auditRetentionMonths: number
}

const LOOK_EVERY_MS = 60_000
const DUE_AFTER_MS = 6 * 3_600_000
const MAX_STEPS = 500
const PAUSE_MS = 20
/** Verifiers poll a list for up to an hour after the last token that named it: so long its sessions keep the list alive. */
const LIST_MARGIN_MS = 2 * 3_600_000
/** Support can look up what became of a session; every replica has long seen that it ended. */
const KEEP_ENDED_MS = 7 * 86_400_000
const MONTHS_AHEAD = 3

export function createHousekeeping({
  store,
  clock,
  tokenTtlSeconds,
  auditRetentionMonths,
}: HousekeepingParts): Housekeeping {
  let stopped = false
  const ago = (ms: number) => new Date(clock.now().getTime() - ms)

  async function inSteps(step: () => Promise<Step | undefined>): Promise<boolean> {
    for (let n = 0; n < MAX_STEPS && !stopped; n += 1) {
      const done = await step()
      if (!done) return false
      if (done.finished) return true
      await pause(PAUSE_MS)
    }
    return false
  }

  const sessions = () =>
    inSteps(() =>
      store.deleteSessions({
        dueBefore: ago(DUE_AFTER_MS),
        expiredBefore: ago(tokenTtlSeconds * 1000 + LIST_MARGIN_MS),
        endedBefore: ago(Math.max(KEEP_ENDED_MS, tokenTtlSeconds * 1000)),
        now: clock.now(),
      }),
    )

  async function audit(): Promise<void> {
    const now = clock.now()
    const dueBefore = ago(DUE_AFTER_MS)
    const before = firstOfMonth(now, -auditRetentionMonths)
    if (!(await inSteps(() => store.deleteAuditEvents({ dueBefore, before })))) return
    try {
      const partitions = await store.auditPartitions()
      for (const month of missingMonths(partitions, now)) await store.addAuditPartition(dueBefore, month)
      for (const { name } of partitions)
        if (name < partitionName(before)) await store.dropAuditPartition(dueBefore, name)
    } catch (error) {
      // A busy table is left alone until the next run. What else fails, such as a role that may not alter tables, is reported
      // once a round: without partitions the default one takes the events, and they are deleted row by row.
      if (isLockTimeout(error)) return
      await store.finishAudit(now)
      throw error
    }
    await store.finishAudit(now)
  }

  return {
    everyMs: LOOK_EVERY_MS,
    async run() {
      await sessions()
      if (!stopped) await inSteps(() => store.dropAddresses({ dueBefore: ago(DUE_AFTER_MS), now: clock.now() }))
      if (!stopped) await audit()
    },
    stop() {
      stopped = true
    },
  }
}

const firstOfMonth = (at: Date, ahead: number) => new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + ahead))

/** Sorts like the months do. */
const partitionName = (month: Date) => `audit_events_${month.toISOString().slice(0, 7).replace('-', '_')}`

function missingMonths(partitions: readonly { name: string }[], now: Date): { name: string; from: Date; to: Date }[] {
  return Array.from({ length: MONTHS_AHEAD + 1 }, (_, ahead) => ({
    name: partitionName(firstOfMonth(now, ahead)),
    from: firstOfMonth(now, ahead),
    to: firstOfMonth(now, ahead + 1),
  })).filter(({ name }) => !partitions.some((partition) => partition.name === name))
}
