/** Where pictures are kept: names that say nothing about anybody, never used twice. */
import { randomToken } from '../crypto/random.ts'

export type AvatarStore = {
  /** Keeps a WebP picture and answers its public URL. */
  put(key: string, webp: Buffer): Promise<string>
  /** The key of a URL that this store gave; undefined for any other URL. */
  keyOf(url: string): string | undefined
  /** Removes a picture; one that is not there is fine. */
  remove(key: string): Promise<void>
}

/** A name is used once, so what is behind it never changes; yet it may go, and caches are to forget it soon (PIPL article 47). */
export const AVATAR_HEADERS = {
  'Content-Type': 'image/webp',
  'Cache-Control': 'public, max-age=600',
} as const

const keyPattern = /^avatars\/\d{4}\/\d{2}\/[A-Za-z0-9_-]{22}\.webp$/

/** `avatars/<year>/<month>/<128 random bits>.webp`: nobody guesses one, and none tells whose it is. */
export const newKey = (now: Date): string =>
  `avatars/${now.toISOString().slice(0, 7).replace('-', '/')}/${randomToken()}.webp`

export const isKey = (text: string): boolean => keyPattern.test(text)

/** The key in a URL that stands under one of our bases. Everything else, such as WeChat's own pictures, is not ours to touch. */
export function keyUnder(bases: readonly string[], url: string): string | undefined {
  for (const base of bases) {
    const key = url.startsWith(`${base}/`) ? url.slice(base.length + 1) : ''
    if (isKey(key)) return key
  }
  return undefined
}
