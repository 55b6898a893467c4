/**
 * Cuts a picture down to what its first frame is made of, before a decoder sees it: comments, previews and further frames are the
 * sender's choice in number and size, and packed ones grow a thousandfold.
 */
import { inflateSync } from 'node:zlib'

export type ImageType = 'png' | 'jpeg' | 'webp' | 'gif'

/** The same picture from fewer parts; undefined where they do not fit together, or are more than an honest picture has. */
export function firstFrame(bytes: Buffer, type: ImageType): Buffer | undefined {
  try {
    const parts = cutters[type](bytes)
    return parts && Buffer.concat(parts)
  } catch (error) {
    // Beyond the end of the file.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** The largest profiles in use, those of printers, have half of it. */
const MAX_PROFILE_BYTES = 1024 * 1024
/** Where the picture's orientation stands. A JPEG cannot hold more. */
const MAX_EXIF_BYTES = 64 * 1024

const slice = (bytes: Buffer, from: number, to: number): Buffer => {
  if (to > bytes.length) throw new RangeError('beyond the end')
  return bytes.subarray(from, to)
}

/** PNG (W3C) section 5.3: length, name, data, checksum. Of the animation's parts none: the still picture is the first frame. */
function pngParts(bytes: Buffer): Buffer[] | undefined {
  const parts = [slice(bytes, 0, 8)]
  const seen = new Set<string>()
  for (let at = 8; ; ) {
    const length = bytes.readUInt32BE(at)
    const name = bytes.toString('latin1', at + 4, at + 8)
    const chunk = slice(bytes, at, at + 12 + length)
    at += chunk.length
    // One profile: looking into each of thousands would take seconds.
    if (!(name === 'iCCP' && seen.has(name)) && isPngPart(name, chunk.subarray(8, -4))) parts.push(chunk)
    seen.add(name)
    if (name === 'IEND') return parts
  }
}

const pngPixels = ['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND', 'gAMA', 'cHRM', 'sRGB', 'sBIT']

function isPngPart(name: string, data: Buffer): boolean {
  if (name === 'iCCP') return isPngProfile(data)
  return name === 'eXIf' ? data.length <= MAX_EXIF_BYTES : pngPixels.includes(name)
}

/** A profile is packed: it is unpacked here as far as it may go. */
function isPngProfile(data: Buffer): boolean {
  const nameEnd = data.indexOf(0)
  if (nameEnd < 0) return false
  try {
    inflateSync(data.subarray(nameEnd + 2), { maxOutputLength: MAX_PROFILE_BYTES })
    return true
  } catch {
    return false
  }
}

/** An encoder makes about ten; each is a pass over the whole picture. */
const MAX_JPEG_SCANS = 50

/** ITU T.81 annex B: markers, most with a length; behind a scan's header its data, up to the next marker. */
function jpegParts(bytes: Buffer): Buffer[] | undefined {
  const parts = [slice(bytes, 0, 2)]
  let scans = 0
  let profileBytes = 0
  for (let at = 2; ; ) {
    // Any marker may be preceded by fill bytes.
    while (bytes.readUInt16BE(at) === 0xffff) at += 1
    if (bytes[at] !== 0xff) return undefined
    const marker = bytes.readUInt8(at + 1)
    if (marker === 0xd9) return [...parts, slice(bytes, at, at + 2)]
    const segment = slice(bytes, at, at + 2 + bytes.readUInt16BE(at + 2))
    at += segment.length
    if (marker === 0xe2) profileBytes += segment.length
    if (isJpegPart(marker, segment) && profileBytes <= MAX_PROFILE_BYTES) parts.push(segment)
    if (marker !== 0xda) continue
    scans += 1
    if (scans > MAX_JPEG_SCANS) return undefined
    const end = endOfScan(bytes, at)
    parts.push(bytes.subarray(at, end))
    // Cut off before its end, as decoders tolerate; whether it is enough is theirs to say.
    if (end === bytes.length) return parts
    at = end
  }
}

/** JFIF, EXIF, the colour profile and Adobe's word on the colours, of all that stands beside the picture. */
function isJpegPart(marker: number, segment: Buffer): boolean {
  if (marker === 0xfe) return false
  if (marker < 0xe0 || marker > 0xef) return true
  if (marker === 0xe1) return segment.toString('latin1', 4, 8) === 'Exif'
  if (marker === 0xe2) return segment.toString('latin1', 4, 15) === 'ICC_PROFILE'
  return marker === 0xe0 || marker === 0xee
}

/** In a scan's data, 0xff is followed by zero or is a restart marker; anything else ends it. */
function endOfScan(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes.readUInt8(at + 1)
    if (next !== 0 && next !== 0xff && (next < 0xd0 || next > 0xd7)) return at
  }
  return bytes.length
}

/** WebP container: chunks of name, length and data, padded to even. The header says which parts there are. */
function webpParts(bytes: Buffer): Buffer[] | undefined {
  const parts: Buffer[] = []
  const end = Math.min(bytes.length, 8 + bytes.readUInt32LE(4))
  let frames = 0
  for (let at = 12; at + 8 <= end; ) {
    const length = bytes.readUInt32LE(at + 4)
    const name = bytes.toString('latin1', at, at + 4)
    const chunk = slice(bytes, at, at + 8 + length)
    at += chunk.length + (length % 2)
    if (name === 'ANMF') frames += 1
    if (!isWebpPart(name, length, frames)) continue
    parts.push(name === 'VP8X' ? withoutXmp(chunk) : chunk)
    if (length % 2) parts.push(Buffer.alloc(1))
  }
  const size = Buffer.alloc(4)
  size.writeUInt32LE(4 + parts.reduce((sum, part) => sum + part.length, 0))
  return [bytes.subarray(0, 4), size, Buffer.from('WEBP'), ...parts]
}

function isWebpPart(name: string, length: number, frames: number): boolean {
  if (name === 'ICCP') return length <= MAX_PROFILE_BYTES
  if (name === 'EXIF') return length <= MAX_EXIF_BYTES
  if (name === 'ANMF') return frames === 1
  return ['VP8X', 'VP8 ', 'VP8L', 'ALPH', 'ANIM'].includes(name)
}

function withoutXmp(header: Buffer): Buffer {
  const copy = Buffer.from(header)
  copy.writeUInt8(copy.readUInt8(8) & ~0x04, 8)
  return copy
}

/** GIF89a: a palette, then blocks; a picture's own palette and data follow its descriptor. */
function gifParts(bytes: Buffer): Buffer[] | undefined {
  const screenEnd = 13 + paletteBytes(bytes.readUInt8(10))
  const parts = [slice(bytes, 0, screenEnd)]
  for (let at = screenEnd; ; ) {
    const kind = bytes.readUInt8(at)
    if (kind === 0x2c) {
      const data = at + 10 + paletteBytes(bytes.readUInt8(at + 9)) + 1
      return [...parts, slice(bytes, at, endOfBlocks(bytes, data)), Buffer.from([0x3b])]
    }
    if (kind !== 0x21) return undefined
    const end = endOfBlocks(bytes, at + 2)
    // The graphic control: which colour is transparent. Others are comments and what applications left.
    if (bytes[at + 1] === 0xf9) parts.splice(1, 1, slice(bytes, at, end))
    at = end
  }
}

const paletteBytes = (flags: number): number => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0)

/** Blocks of up to 255 bytes; an empty one is the last. */
function endOfBlocks(bytes: Buffer, from: number): number {
  let at = from
  for (let length = bytes.readUInt8(at); length > 0; length = bytes.readUInt8(at)) at += 1 + length
  return at + 1
}

const cutters: Record<ImageType, (bytes: Buffer) => Buffer[] | undefined> = {
  png: pngParts,
  jpeg: jpegParts,
  webp: webpParts,
  gif: gifParts,
}
