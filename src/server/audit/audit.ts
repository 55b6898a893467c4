/** The audit trail: who did what, when and from where. Append only; ids and addresses, never secrets or personal data. */
import type { Actor } from '../actor.ts'
import { type AuditKind, type AuditRow, insertAuditRows } from './store.ts'

export { type AuditKind, auditKinds, insertAuditRows } from './store.ts'

export type AuditEvent = { kind: AuditKind; at: Date; actor: Actor } & Partial<
  Pick<AuditRow, 'user_id' | 'session_id' | 'appid'>
> & {
    detail?: Record<string, unknown>
  }

export type Audit = {
  /** Writes an event that stands alone (a refused login) soon, in bulk; what a change does is written with the change. */
  record(event: AuditEvent): void
  /** Writes what waits. */
  flush(): Promise<void>
}

const FLUSH_AFTER_MS = 250
const MAX_WAITING = 10_000

export function createAudit({
  insert,
  onError,
}: {
  insert: (rows: readonly AuditRow[]) => Promise<void>
  onError: (error: unknown, lost: number) => void
}): Audit {
  let waiting: AuditRow[] = []
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  async function write(): Promise<void> {
    timer = undefined
    const rows = waiting
    waiting = []
    for (let at = 0; at < rows.length; at += 500) {
      try {
        await insert(rows.slice(at, at + 500))
      } catch (error) {
        onError(error, rows.length - at)
        return
      }
    }
  }

  return {
    record(event) {
      if (waiting.length >= MAX_WAITING) return onError(new Error('the audit queue is full'), 1)
      waiting.push(toRow(event))
      timer ??= setTimeout(() => {
        writing = writing.then(write)
      }, FLUSH_AFTER_MS).unref()
    },
    flush() {
      clearTimeout(timer)
      writing = writing.then(write)
      return writing
    },
  }
}

/** Writes events in another's transaction, together with the change they tell of. */
export const writeAudit = (db: Parameters<typeof insertAuditRows>[0], ...events: AuditEvent[]): Promise<void> =>
  insertAuditRows(db, events.map(toRow))

function toRow({ kind, at, actor, detail, ...ids }: AuditEvent): AuditRow {
  return {
    at,
    kind,
    user_id: ids.user_id ?? null,
    session_id: ids.session_id ?? null,
    appid: ids.appid ?? null,
    ip: actor.ip ?? null,
    actor: actor.name,
    request_id: actor.requestId ?? null,
    detail: detail === undefined ? null : JSON.stringify(detail),
  }
}
