/** How uploaded pictures are stored: small, clean, or refused, in bounded memory. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bomb, hostilePictures, picture, polyglots, svg } from '../../dev/testing/pictures.ts'
import { GatewayError } from '../errors.ts'
import { toAvatar } from './avatar-image.ts'

const refusal = async (bytes: Buffer) => {
  const error = await toAvatar(bytes).catch((thrown: unknown) => thrown)
  return error instanceof GatewayError ? { code: error.code, reason: error.fields?.file } : error
}
const refused = (reason: string) => ({ code: 'A0400', reason: expect.stringContaining(reason) })

describe('a good picture', () => {
  test.each(['png', 'jpeg', 'webp', 'gif'] as const)(
    'of type %s comes out as WebP of at most 512×512',
    async (type) => {
      const webp = await toAvatar(await picture({ width: 1600, height: 900 }).toFormat(type).toBuffer())
      expect(await sharp(webp).metadata()).toMatchObject({ format: 'webp', width: 512, height: 288 })
    },
  )

  test('that is smaller than 512×512 is not enlarged', async () => {
    const webp = await toAvatar(await picture({ width: 100, height: 40 }).png().toBuffer())
    expect(await sharp(webp).metadata()).toMatchObject({ width: 100, height: 40 })
  })

  test('loses EXIF, its place, colour profile and comments, and is turned upright first', async () => {
    const taken = await picture({ width: 300, height: 200 })
      .withExif({ IFD0: { Artist: 'Alice' }, IFD3: { GPSLatitude: '22/1 32/1 0/1', GPSLongitude: '114/1 3/1 0/1' } })
      .withIccProfile('p3')
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer()
    expect(await sharp(taken).metadata()).toMatchObject({ exif: expect.any(Buffer), icc: expect.any(Buffer) })
    const { width, height, exif, icc, xmp, iptc, orientation } = await sharp(await toAvatar(taken)).metadata()
    expect({ width, height, exif, icc, xmp, iptc, orientation }).toEqual({ width: 200, height: 300 })
  })

  test.each(['png', 'jpeg', 'webp'] as const)(
    'of type %s keeps its colours, which its profile explains',
    async (type) => {
      const inP3 = picture({ width: 64, height: 64 }).withIccProfile('p3').toFormat(type, { quality: 100 })
      const { channels } = await sharp(await toAvatar(await inP3.toBuffer())).stats()
      const [red = 0, green = 0, blue = 0] = channels.map(({ mean }) => mean)
      expect(Math.abs(red - 200) + Math.abs(green - 30) + Math.abs(blue - 60)).toBeLessThan(12)
    },
  )

  test.each(['gif', 'webp'] as const)('that moves (%s) is kept as its first frame', async (type) => {
    const frames = await Promise.all(
      ['red', 'lime'].map((background) =>
        sharp({ create: { width: 20, height: 20, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    )
    const moving = await sharp(frames, { join: { animated: true } })
      .toFormat(type)
      .toBuffer()
    expect((await sharp(moving).metadata()).pages).toBe(2)
    const webp = await toAvatar(moving)
    expect((await sharp(webp).metadata()).pages ?? 1).toBe(1)
    const { dominant } = await sharp(webp).stats()
    expect(dominant.r).toBeGreaterThan(dominant.g)
  })
})

describe('made harmless: nothing but the pixels is left of', () => {
  test.each([
    'a JPEG with a page in its EXIF',
    'a GIF that is a page too',
    'a PNG with a page as comment',
    'a PNG with an archive behind it',
  ])('%s', async (name) => {
    const polyglot = (await polyglots())[name] ?? Buffer.alloc(0)
    expect(polyglot.includes('<script>')).toBe(true)
    const webp = await toAvatar(polyglot)
    expect(webp.includes('<script>')).toBe(false)
    expect((await sharp(webp).metadata()).format).toBe('webp')
  })
})

describe('refused:', () => {
  test.each<[string, Buffer]>([
    ['an SVG', svg],
    ['a page', Buffer.from('<!doctype html><script>1</script>')],
    ['a PDF', Buffer.from('%PDF-1.7\n1 0 obj')],
    ['a TIFF', Buffer.from('II*\0\x08\0\0\0', 'latin1')],
    ['an AVIF', Buffer.from('\0\0\0\x20ftypavif\0\0\0\0', 'latin1')],
    ['nothing', Buffer.alloc(0)],
  ])('%s', async (_name, bytes) => {
    expect(await refusal(bytes)).toEqual(refused('is not a PNG'))
  })

  test('an SVG behind the first bytes of a PNG', async () => {
    expect(await refusal(Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), svg]))).toEqual(refused('damaged'))
  })

  test('a picture that breaks off', async () => {
    const noise = sharp({
      create: {
        width: 300,
        height: 300,
        channels: 3,
        background: 'gray',
        noise: { type: 'gaussian', mean: 128, sigma: 60 },
      },
    })
    const whole = await noise.png().toBuffer()
    expect(await refusal(whole.subarray(0, whole.length / 2))).toEqual(refused('damaged'))
  })

  test('a picture one pixel wide and millions high', async () => {
    expect(await refusal(bomb({ width: 1, height: 8_000_000 }))).toEqual(refused('too many pixels'))
  })

  test('a bomb', async () => {
    expect(await refusal(bomb({ width: 16_000, height: 16_000 }))).toEqual(refused('too many pixels'))
  })
})

test('pictures that were made to be slow keep nobody waiting: what is no part of the first frame reaches no decoder', async () => {
  const hostile = Object.values(await hostilePictures())
  await toAvatar(await picture({ width: 8, height: 8 }).png().toBuffer())
  const before = performance.now()
  const settled = hostile.map((bytes) => toAvatar(bytes).then(sizeOf, () => 'refused'))
  const other = toAvatar(await picture({ width: 100, height: 40 }).png().toBuffer()).then(sizeOf)
  expect(await other).toBe('100x40')
  expect(await Promise.all(settled)).toEqual(['8x8', '8x8', '8x8', 'refused', '8x8', '8x8', '8x8'])
  // Without the cut these take two minutes.
  expect(performance.now() - before).toBeLessThan(10_000)
})

const sizeOf = async (webp: Buffer) => {
  const { width, height } = await sharp(webp).metadata()
  return `${width}x${height}`
}

test('no decoder but the four can run in this process, however a file would get to it', async () => {
  await toAvatar(await picture({ width: 8, height: 8 }).png().toBuffer())
  await expect(sharp(svg).png().toBuffer()).rejects.toThrow(/unsupported image format/)
})

describe('memory', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'avatar-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  /** By how much the process grows at most, in MiB, when a file is uploaded `times` at once; its own process, so that only this counts. */
  async function growthOf(bytes: Buffer, times: number): Promise<{ growth: number; outcomes: string[] }> {
    const file = join(folder, 'upload')
    await writeFile(file, bytes)
    const program = `
      import { readFileSync } from 'node:fs'
      import { toAvatar } from ${JSON.stringify(new URL('avatar-image.ts', import.meta.url).href)}
      const small = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')
      await toAvatar(small)
      const bytes = readFileSync(${JSON.stringify(file)})
      const before = process.resourceUsage().maxRSS
      const outcomes = await Promise.all(Array.from({ length: ${times} }, () =>
        toAvatar(bytes).then(() => 'kept', (error) => error.fields.file)))
      console.log(JSON.stringify({ growth: (process.resourceUsage().maxRSS - before) / 1024, outcomes }))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
    return JSON.parse(stdout)
  }

  test('a bomb is refused before a pixel of it is decoded', async () => {
    const bytes = bomb({ width: 30_000, height: 30_000 })
    expect(bytes.length).toBeLessThan(2 * 1024 * 1024)
    const { growth, outcomes } = await growthOf(bytes, 8)
    expect(outcomes).toEqual(Array(8).fill('has too many pixels'))
    expect(growth).toBeLessThan(32)
  })

  test('the costliest pictures that are accepted take what one of them takes, however many come at once', async () => {
    const interlaced = picture({ width: 2896, height: 2896 }).ensureAlpha(0.5).toColourspace('rgb16')
    const { growth, outcomes } = await growthOf(await interlaced.png({ progressive: true }).toBuffer(), 3)
    expect(outcomes).toEqual(Array(3).fill('kept'))
    expect(growth).toBeLessThan(192)
  })
})
