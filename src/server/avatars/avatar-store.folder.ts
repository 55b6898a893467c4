/** Pictures in a folder, served by the gateway itself: for development, or for one replica on a volume. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type AvatarStore, isKey, keyUnder } from './avatar-store.ts'

export type FolderAvatarStore = AvatarStore & {
  /** The picture; undefined when there is none of that name. */
  read(key: string): Promise<Buffer | undefined>
}

export function createFolderAvatarStore({ path, issuer }: { path: string; issuer: string }): FolderAvatarStore {
  return {
    async put(key, webp) {
      const file = join(path, key)
      await mkdir(dirname(file), { recursive: true })
      // Written aside first: a reader sees all of a picture or none.
      await writeFile(`${file}.part`, webp, { flag: 'wx' })
      await rename(`${file}.part`, file)
      return `${issuer}/${key}`
    },
    keyOf: (url) => keyUnder([issuer], url),
    remove: (key) => rm(join(path, key), { force: true }),
    async read(key) {
      // The pattern holds no dots but one and no slashes but three: a key cannot lead out of the folder.
      if (!isKey(key)) return undefined
      try {
        return await readFile(join(path, key))
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
        throw error
      }
    },
  }
}
