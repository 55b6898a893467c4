/** A database that is put back to its state of some seconds ago, as after a restore from a backup, under load. */

import { execFile } from 'node:child_process'
import { renameSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Service } from '../src/dev/services/service.ts'

const run = promisify(execFile)

/** Two polls of every replica: it has noticed, and ended again what the database forgot. */
const SETTLED_MS = 3000

export type RestoreParts = {
  postgres: Service
  laterMs: number
  /** Of what is acknowledged after the first, nothing is in the copy; what is acknowledged after the second stays. */
  mark: (moment: 'copiedAt' | 'restoredAt') => void
}

export async function restoreDatabase({ postgres, laterMs, mark }: RestoreParts): Promise<void> {
  const copy = `${postgres.dataDir}-copy`
  try {
    // Of a frozen server's files, as a snapshot of its disk: it recovers from that as from a power cut.
    postgres.freeze()
    try {
      mark('copiedAt')
      await run('cp', ['-a', postgres.dataDir, copy])
    } finally {
      postgres.thaw()
    }
    await sleep(laterMs)
    await postgres.end()
    rmSync(postgres.dataDir, { recursive: true, force: true })
    rmSync(`${copy}/postmaster.pid`, { force: true })
    renameSync(copy, postgres.dataDir)
    await postgres.restart()
    mark('restoredAt')
    await sleep(SETTLED_MS)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
