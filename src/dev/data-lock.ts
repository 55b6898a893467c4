/** A lock on the data folder of development: PGlite has none of its own, and two of them on one folder destroy it. */
import { createHash } from 'node:crypto'
import { mkdirSync, realpathSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export class FolderInUse extends Error {
  constructor(folder: string) {
    super(
      `${folder} is in use by another gateway. Stop it first, or give this one a folder of its own: npm run dev -- --data ./other`,
    )
    this.name = 'FolderInUse'
  }
}

/**
 * Takes the folder until this process ends, however it ends: the lock is a listening socket, which the system closes with
 * its owner. Throws FolderInUse.
 */
export async function lockFolder(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const name = `auth-gateway-${createHash('sha256').update(realpathSync(folder)).digest('hex').slice(0, 24)}`
  // Linux has names without a file, so nothing is left behind by kill -9; elsewhere a dead socket file is taken over.
  const path = process.platform === 'linux' ? `\0${name}` : join(tmpdir(), name)
  if (await take(path)) return
  if (process.platform === 'linux' || (await answers(path))) throw new FolderInUse(folder)
  rmSync(path, { force: true })
  if (!(await take(path))) throw new FolderInUse(folder)
}

function take(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.unref()
    server.once('error', (error) => ('code' in error && error.code === 'EADDRINUSE' ? resolve(false) : reject(error)))
    server.listen(path, () => resolve(true))
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
