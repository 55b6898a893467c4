/** A database that is put back to its state of some seconds ago, as after a restore from a backup, under load. */

import { execFile } from 'node:child_process'
import { renameSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Service } from '../src/dev/services/service.ts'

const run = promisify(execFile)

/** Calls `onCopied` at the moment after which nothing that is acknowledged is in the copy. */
export async function restoreDatabase(postgres: Service, laterMs: number, onCopied: () => void): Promise<void> {
  const copy = `${postgres.dataDir}-copy`
  try {
    // Of a frozen server's files, as a snapshot of its disk: it recovers from that as from a power cut.
    postgres.freeze()
    try {
      onCopied()
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
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
