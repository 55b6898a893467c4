/** Turns whatever was uploaded into a small, clean WebP picture, or refuses it: the one place that runs image decoders. */
import { setTimeout as pause } from 'node:timers/promises'
import { GatewayError, invalidField } from '../errors.ts'
import { firstFrame, type ImageType } from './picture-parts.ts'

export const MAX_AVATAR_SIDE = 512

/** What a decoder may need for a whole picture in memory: 16 megapixels of four bytes, half of them at 16 bits a channel. */
const MAX_DECODED_BYTES = 64 * 1024 * 1024
/** A picture one pixel wide and millions high decodes row by row for seconds. */
const MAX_SIDE = 16_384
const MAX_SECONDS = 5

/** The type as the bytes tell it; names and declared types are the sender's to choose. */
export function imageTypeOf(bytes: Buffer): ImageType | undefined {
  const head = bytes.toString('latin1', 0, 12)
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png'
  if (head.startsWith('\xff\xd8\xff')) return 'jpeg'
  if (head.startsWith('RIFF') && head.endsWith('WEBP')) return 'webp'
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'gif'
  return undefined
}

/**
 * The first frame, upright, at most 512×512, in sRGB and as WebP. Nothing of the file but its pixels comes through: no EXIF (and so
 * no place), no colour profile, no comment, nothing before or after the picture. Throws A0400 on the field `file`.
 */
export async function toAvatar(bytes: Buffer): Promise<Buffer> {
  const type = imageTypeOf(bytes)
  if (!type) throw invalidField('file', 'is not a PNG, JPEG, WebP or GIF picture')
  const frame = firstFrame(bytes, type)
  if (!frame) throw unreadable(undefined)
  return await oneAtATime(async () => {
    const sharp = await loadSharp()
    checkSize(await inTime(sharp(frame, { limitInputPixels: false }).metadata()))
    return await inTime(
      sharp(frame, { limitInputPixels: MAX_DECODED_BYTES / 4, failOn: 'error', sequentialRead: true })
        .timeout({ seconds: MAX_SECONDS })
        .autoOrient()
        .resize(MAX_AVATAR_SIDE, MAX_AVATAR_SIDE, { fit: 'inside', withoutEnlargement: true })
        .webp({ quality: 82 })
        .toBuffer(),
    )
  })
}

/** A pass over the picture. One that takes too long is given up: it may go on in its thread, but nobody waits for it. */
async function inTime<Result>(pass: Promise<Result>): Promise<Result> {
  const done = new AbortController()
  const tooLong = pause(MAX_SECONDS * 1000, undefined, { signal: done.signal, ref: false }).then(() => {
    throw new Error('the decoder takes too long')
  })
  try {
    return await Promise.race([pass, tooLong])
  } catch (error) {
    throw unreadable(error)
  } finally {
    done.abort()
  }
}

type Header = { width: number; height: number; depth: string }

/** By the header alone, so that a bomb is refused before a pixel of it is decoded. */
function checkSize({ width, height, depth }: Header): void {
  const bytesPerPixel = depth === 'uchar' ? 4 : 8
  if (Math.max(width, height) > MAX_SIDE || width * height * bytesPerPixel > MAX_DECODED_BYTES)
    throw invalidField('file', 'has too many pixels')
}

/** What the decoder says stays in the log. */
const unreadable = (cause: unknown) =>
  new GatewayError('A0400', { fields: { file: 'is damaged or not a picture' }, cause, note: 'the decoder refuses it' })

let queue: Promise<unknown> = Promise.resolve()

/** One picture at a time in this process: what decoding takes in memory is then what one picture takes. */
function oneAtATime<Result>(work: () => Promise<Result>): Promise<Result> {
  const turn = queue.then(work, work)
  queue = turn.catch(() => undefined)
  return turn
}

let loading: Promise<typeof import('sharp').default> | undefined

/** Loaded with the first picture: a gateway without an avatar store never pays for the native library. */
function loadSharp() {
  loading ??= import('sharp').then(({ default: sharp }) => {
    // libvips also reads SVG, PDF, TIFF, HEIF and more, some with a history of holes: only these four may run here.
    sharp.block({ operation: ['VipsForeignLoad'] })
    const loaders = ['Png', 'Jpeg', 'Webp', 'Nsgif'].map((name) => `VipsForeignLoad${name}Buffer`)
    sharp.unblock({ operation: loaders })
    sharp.cache(false)
    sharp.concurrency(1)
    return sharp
  })
  return loading
}
