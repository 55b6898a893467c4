/** Turns whatever was uploaded into a small, clean WebP picture, or refuses it: the one place that runs image decoders. */
import { GatewayError, invalidField } from '../errors.ts'

export const MAX_AVATAR_SIDE = 512

/** What a decoder may need for a whole picture in memory: 16 megapixels of four bytes, half of them at 16 bits a channel. */
const MAX_DECODED_BYTES = 64 * 1024 * 1024
/** A picture one pixel wide and millions high decodes row by row for seconds. */
const MAX_SIDE = 16_384
const MAX_SECONDS = 5

export type ImageType = 'png' | 'jpeg' | 'webp' | 'gif'

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
  if (!imageTypeOf(bytes)) throw invalidField('file', 'is not a PNG, JPEG, WebP or GIF picture')
  return await oneAtATime(async () => {
    const sharp = await loadSharp()
    await checkSize(() => sharp(bytes, { limitInputPixels: false }).metadata())
    try {
      return await sharp(bytes, { limitInputPixels: MAX_DECODED_BYTES / 4, failOn: 'error', sequentialRead: true })
        .timeout({ seconds: MAX_SECONDS })
        .autoOrient()
        .resize(MAX_AVATAR_SIDE, MAX_AVATAR_SIDE, { fit: 'inside', withoutEnlargement: true })
        .webp({ quality: 82 })
        .toBuffer()
    } catch (error) {
      throw unreadable(error)
    }
  })
}

type Header = { width: number; height: number; depth: string }

/** Reads the header alone, so that a bomb is refused before a pixel of it is decoded. */
async function checkSize(readHeader: () => Promise<Header>): Promise<void> {
  const { width, height, depth } = await readHeader().catch((error: unknown) => {
    throw unreadable(error)
  })
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
