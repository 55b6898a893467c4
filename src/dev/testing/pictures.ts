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
