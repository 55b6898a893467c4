/** The audit trail: who did what, when and from where. Append only; ids and addresses, never secrets or personal data. */
import type { Database } from '../storage/database.ts'
import { type AuditEvent, type AuditRow, insertAuditRows, toRow } from './store.ts'

export {
  type AuditEvent,
  type AuditKind,
  auditKinds,
  auditRows,
  auditRowsText,
  writeAudit,
} from './store.ts'

export type Audit = {
  /** Writes an event that stands alone (a refused login) soon, in bulk; what a change does is written with the change. */
  record(event: AuditEvent): void
  /** Writes what waits. */
  flush(): Promise<void>
}

const FLUSH_AFTER_MS = 250
const MAX_WAITING = 10_000

export function createAudit({
  database,
  onError,
}: {
  database: Pick<Database, 'kysely'>
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
        await insertAuditRows(database.kysely, rows.slice(at, at + 500))
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
