/** The data folder of development: its lock, its database and the keys that seal it; what is wrong with it is told in one line. */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encryptionKeys } from '../server/config/formats.ts'
import { migrate } from '../server/storage/migrate.ts'
import { createPglite } from './pglite.ts'

export class FolderInUse extends Error {
  constructor(folder: string) {
    super(
      `${folder} is in use by another gateway. Stop it first, or give this one a folder of its own: npm run dev -- --data ./other`,
    )
    this.name = 'FolderInUse'
  }
}

/** Something is there that no gateway left, or that another version did. */
export class FolderUnusable extends Error {
  constructor(folder: string, reason: string) {
    super(`${folder} cannot be used: ${reason}. Delete it, or name another folder: npm run dev -- --data ./other`)
    this.name = 'FolderUnusable'
  }
}

/** Locks the folder and opens what is in it, or makes it. Throws FolderInUse and FolderUnusable. */
export async function openFolder(folder: string) {
  try {
    await lockFolder(folder)
  } catch (error) {
    if (error instanceof FolderInUse) throw error
    throw new FolderUnusable(folder, isSystemError(error) ? `it cannot be made (${error.code})` : 'it cannot be made')
  }
  const keys = keysOf(folder)
  return { encryptionKeys: keys, database: await databaseOf(folder) }
}

/** Made at the first start and kept beside the data it seals. */
function keysOf(folder: string): string {
  const file = join(folder, 'encryption-keys')
  if (!existsSync(file)) writeFileSync(file, `dev:${randomBytes(32).toString('base64')}`, { mode: 0o600 })
  const keys = readFileSync(file, 'utf8')
  if (!encryptionKeys.safeParse(keys).success) throw new FolderUnusable(folder, `${file} holds no encryption keys`)
  return keys
}

async function databaseOf(folder: string) {
  const directory = join(folder, 'postgres')
  try {
    const database = await createPglite({ directory })
    await migrate(database.kysely)
    return database
  } catch (error) {
    const reason = error instanceof Error && error.message ? error.message : 'no reason given'
    throw new FolderUnusable(folder, `${directory} is no database of this version (${reason})`)
  }
}

const isSystemError = (error: unknown): error is Error & { code: string } =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'

/**
 * Takes the folder until this process ends, however it ends: the lock is a listening socket, which the system closes with
 * its owner. Throws FolderInUse.
 */
async function lockFolder(folder: string): Promise<void> {
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
