/** Pictures for tests, good and evil, made byte by byte where no encoder would make them. */
import { crc32, deflateSync } from 'node:zlib'
import sharp from 'sharp'

type Size = { width: number; height: number }

/** A plain picture of any type that sharp writes. */
export const picture = ({ width, height }: Size) =>
  sharp({ create: { width, height, channels: 3, background: { r: 200, g: 30, b: 60 } } })

/** A picture of one bit a pixel, all black: a thousand times smaller than what it decodes to. */
export function bomb({ width, height }: Size): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = 1
  return png([
    ['IHDR', header],
    ['IDAT', deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * height), { level: 9 })],
    ['IEND', Buffer.alloc(0)],
  ])
}

function png(chunks: [name: string, data: Buffer][]): Buffer {
  const parts = chunks.flatMap(([name, data]) => {
    const body = Buffer.concat([Buffer.from(name, 'latin1'), data])
    const ends = Buffer.alloc(8)
    ends.writeUInt32BE(data.length, 0)
    ends.writeUInt32BE(crc32(body), 4)
    return [ends.subarray(0, 4), body, ends.subarray(4)]
  })
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts])
}

/** A chunk that says it is 40 MiB of zeros, packed. */
const packed = () => deflateSync(Buffer.alloc(40 * 1024 * 1024), { level: 9 })

/** A picture of 8×8 pixels with as many of these parts as its 2 MiB hold. */
export async function hostilePictures(): Promise<Record<string, Buffer>> {
  const [plain, scans, comments, webp, gif] = await Promise.all([
    picture({ width: 8, height: 8 }).png().toBuffer(),
    picture({ width: 3000, height: 3000 }).jpeg({ progressive: true }).toBuffer(),
    picture({ width: 8, height: 8 }).jpeg().toBuffer(),
    picture({ width: 8, height: 8 }).webp({ lossless: true }).toBuffer(),
    picture({ width: 8, height: 8 }).gif().toBuffer(),
  ])
  const zeros = packed()
  const inPng = (name: string, before: string, count: number) => {
    const chunks = png(Array(count).fill([name, Buffer.concat([Buffer.from(before, 'latin1'), zeros])])).subarray(8)
    return Buffer.concat([plain.subarray(0, 33), chunks, plain.subarray(33)])
  }
  return {
    'a PNG with 40 packed texts of 40 MiB': inPng('zTXt', 'Comment\0\0', 40),
    'a PNG with 40 packed international texts of 40 MiB': inPng('iTXt', 'Comment\0\x01\0\0\0', 40),
    'a PNG with a packed colour profile of 40 MiB': inPng('iCCP', 'icc\0\0', 1),
    'a JPEG of 9 megapixels with thousands of scans': manyScans(scans),
    'a JPEG with 31 comments of 64 KiB': Buffer.concat([
      comments.subarray(0, 2),
      ...Array(31).fill(Buffer.concat([Buffer.from([0xff, 0xfe, 0xff, 0xff]), Buffer.alloc(0xfffd)])),
      comments.subarray(2),
    ]),
    'a WebP with tens of thousands of frames': manyWebpFrames(webp),
    'a GIF with a hundred thousand frames': manyGifFrames(gif),
  }
}

/** Repeats the last pass of a progressive JPEG. */
function manyScans(jpeg: Buffer): Buffer {
  const end = jpeg.lastIndexOf(Buffer.from([0xff, 0xd9]))
  const last = jpeg.lastIndexOf(Buffer.from([0xff, 0xda]))
  const scan = jpeg.subarray(last, end)
  const count = Math.min(5000, Math.floor((2 * 1024 * 1024 - jpeg.length) / scan.length))
  return Buffer.concat([jpeg.subarray(0, end), ...Array(count).fill(scan), jpeg.subarray(end)])
}

function manyWebpFrames(webp: Buffer): Buffer {
  const riff = (name: string, data: Buffer) => {
    const head = Buffer.alloc(8)
    head.write(name, 'latin1')
    head.writeUInt32LE(data.length, 4)
    return Buffer.concat([head, data, Buffer.alloc(data.length % 2)])
  }
  const size = Buffer.from([7, 0, 0, 7, 0, 0])
  const frame = riff('ANMF', Buffer.concat([Buffer.alloc(6), size, Buffer.from([10, 0, 0, 0]), webp.subarray(12)]))
  const header = riff('VP8X', Buffer.concat([Buffer.from([0x02, 0, 0, 0]), size]))
  const frames = Array(Math.floor((2 * 1024 * 1024 - 100) / frame.length)).fill(frame)
  return riff('RIFF', Buffer.concat([Buffer.from('WEBP'), header, riff('ANIM', Buffer.alloc(6)), ...frames]))
}

function manyGifFrames(gif: Buffer): Buffer {
  const start = gif.indexOf(0x2c, 13 + 3 * 2 ** (((gif[10] ?? 0) & 7) + 1))
  const frame = gif.subarray(start, -1)
  const frames = Array(Math.floor((2 * 1024 * 1024 - gif.length) / frame.length)).fill(frame)
  return Buffer.concat([gif.subarray(0, -1), ...frames, gif.subarray(-1)])
}

const SCRIPT = '<script>alert(document.domain)</script>'

/** Files that are a picture to one program and something else to another; each holds `<script>`. */
export async function polyglots(): Promise<Record<string, Buffer>> {
  const [jpeg, gif, whole] = await Promise.all([
    picture({ width: 40, height: 40 })
      .withExif({ IFD0: { ImageDescription: SCRIPT } })
      .jpeg()
      .toBuffer(),
    picture({ width: 40, height: 40 }).gif().toBuffer(),
    picture({ width: 40, height: 40 }).png().toBuffer(),
  ])
  const text = Buffer.from(`Comment\0${SCRIPT}`)
  const textChunk = png([['tEXt', text]]).subarray(8)
  const afterHeader = 8 + 25
  return {
    'a JPEG with a page in its EXIF': jpeg,
    'a GIF that is a page too': Buffer.concat([gif, Buffer.from(`*/=1;${SCRIPT}`)]),
    'a PNG with a page as comment': Buffer.concat([
      whole.subarray(0, afterHeader),
      textChunk,
      whole.subarray(afterHeader),
    ]),
    'a PNG with an archive behind it': Buffer.concat([whole, Buffer.from(`PK\x03\x04${SCRIPT}PK\x05\x06`, 'latin1')]),
  }
}

export const svg = Buffer.from(
  `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">${SCRIPT}<image href="file:///etc/passwd"/></svg>`,
)
