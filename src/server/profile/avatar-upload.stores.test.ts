/** What PUT /api/user/avatar takes and what it refuses. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Form, form, part, png, signIn, upload } from '../../dev/testing/avatar.ts'
import { bomb, picture, polyglots, svg } from '../../dev/testing/pictures.ts'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

type Described = { paths: { '/api/user/avatar': { put: { requestBody: { content: Record<string, unknown> } } } } }

describe('an upload', () => {
  let gateway: TestGateway
  let token: string
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'avatars-'))
    gateway = await startTestGateway({ environment: { AVATAR_STORE: pathToFileURL(folder).href } })
    token = (await signIn(gateway, 'uploader')).token
  })
  afterAll(async () => {
    await gateway.close()
    await rm(folder, { recursive: true })
  })

  test.each(['png', 'jpeg', 'webp', 'gif'] as const)(
    'of a %s is taken, whatever its name and declared type say',
    async (type) => {
      const file = await picture({ width: 30, height: 30 }).toFormat(type).toBuffer()
      const { status } = await upload(gateway, token, file, { filename: 'page.svg', type: 'text/html' })
      expect(status).toBe(200)
    },
  )

  test('of a polyglot becomes a picture and nothing else', async () => {
    for (const polyglot of Object.values(await polyglots())) {
      const { body } = await upload(gateway, token, polyglot, { filename: 'x.html' })
      const served = await gateway.publicApp.request(new URL(body.data.avatar).pathname)
      expect(served.headers.get('content-type')).toBe('image/webp')
      expect(served.headers.get('x-content-type-options')).toBe('nosniff')
      expect(Buffer.from(await served.arrayBuffer()).includes('<script>')).toBe(false)
    }
  })

  test.each<[string, Buffer]>([
    ['a bomb', bomb({ width: 30_000, height: 30_000 })],
    ['an SVG named .png', svg],
    ['a page named .png', Buffer.from('<html><script>1</script></html>')],
    ['nothing', Buffer.alloc(0)],
  ])('of %s is refused on the field', async (_name, file) => {
    const { status, body } = await upload(gateway, token, file)
    expect({ status, code: body.code, fields: body.fields }).toEqual({
      status: 400,
      code: 'A0400',
      fields: { file: expect.any(String) },
    })
  })

  test('of 2 MiB is read, and of 2.1 MiB is A0413, announced or streamed', async () => {
    const padded = async (size: number) => Buffer.concat([await png(), Buffer.alloc(size)]).subarray(0, size)
    const limit = 2 * 1024 * 1024
    expect((await upload(gateway, token, await padded(limit))).status).toBe(200)
    expect((await upload(gateway, token, await padded(limit + 1))).body.code).toBe('A0413')
    const large = form(await padded(Math.round(2.1 * 1024 * 1024)))
    const options = { headers: { ...large.headers, authorization: `Bearer ${token}` }, method: 'PUT' }
    let read = 0
    const streamed = await gateway.publicApp.request('/api/user/avatar', {
      ...options,
      duplex: 'half',
      body: new ReadableStream({
        pull(controller) {
          // Never ends: what counts is that reading stops at the limit.
          read += 65_536
          controller.enqueue(large.body.subarray(0, 65_536))
        },
      }),
    } as RequestInit)
    expect(streamed.status).toBe(413)
    expect(read).toBeLessThan(limit + 4 * 65_536)
    const announced = await gateway.publicApp.request('/api/user/avatar', {
      ...options,
      headers: { ...options.headers, 'content-length': String(large.body.length) },
      body: new Uint8Array(large.body),
    })
    expect(announced.status).toBe(413)
  })

  test.each<[string, Form]>([
    ['another field first', { before: part('other') }],
    ['another field after it', { after: `\r\n${part('other').slice(0, -2)}` }],
    ['another name', { name: 'avatar' }],
    ['no name of its own but in the filename', { name: '', filename: 'name=file' }],
  ])('with %s is refused on the field', async (_name, how) => {
    const { body } = await upload(gateway, token, await png(), how)
    expect(body).toMatchObject({ code: 'A0400', fields: { file: expect.any(String) } })
  })

  test('of thousands of parts is refused without reading them', async () => {
    const many = Buffer.from(part('file').repeat(20_000))
    const { body } = await upload(gateway, token, many.subarray(0, 1_500_000))
    expect(body.code).toBe('A0400')
  })

  test.each(['application/json', 'image/png', 'multipart/form-data', 'multipart/mixed; boundary=----x'])(
    'as %s is A0415',
    async (type) => {
      const { body } = form(await png())
      const reply = await gateway.call('PUT', '/api/user/avatar', { token, body, headers: { 'content-type': type } })
      expect(reply.body.code).toBe('A0415')
    },
  )

  test.each(['AAAAAAAAAAAAAAAAAAAAAA.webp', '..%2f..%2f..%2fsecret', 'x.webp'])(
    'is not found under a name that is none (%s)',
    async (name) => {
      expect((await gateway.publicApp.request(`/avatars/2026/01/${name}`)).status).toBe(404)
    },
  )

  test('is described with its one file, its size and its types', async () => {
    const description = (await (await gateway.internalApp.request('/openapi.json')).json()) as Described
    const { content } = description.paths['/api/user/avatar'].put.requestBody
    expect(Object.keys(content)).toEqual(['multipart/form-data'])
    expect(content['multipart/form-data']).toMatchObject({
      schema: { required: ['file'], properties: { file: { type: 'string', format: 'binary' } } },
      encoding: { file: { contentType: 'image/png, image/jpeg, image/webp, image/gif' } },
    })
  })

  test('without a token is A0230', async () => {
    expect((await gateway.call('PUT', '/api/user/avatar', form(await png()))).body.code).toBe('A0230')
  })

  test('may be a POST with X-HTTP-Method-Override, since wx.uploadFile knows nothing else', async () => {
    const { headers, body } = form(await png())
    const reply = await gateway.call('POST', '/api/user/avatar', {
      token,
      body,
      headers: { ...headers, 'x-http-method-override': 'PUT' },
    })
    expect(reply.status).toBe(200)
  })

  test('as FormData of the platform is understood', async () => {
    const data = new FormData()
    data.set('file', new Blob([new Uint8Array(await png())]), 'ein Bild "1".png')
    const reply = await gateway.publicApp.request('/api/user/avatar', {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}` },
      body: data,
    })
    expect(reply.status).toBe(200)
  })

  test('of people who send nothing after their headers keep nobody else from theirs, only a second one of their own', async () => {
    let reading = 0
    const stuck = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const { token: own } = await signIn(gateway, `stuck ${n}`)
        const body = new ReadableStream({ pull: () => new Promise<void>(() => (reading += 1)) }, { highWaterMark: 0 })
        const { headers } = form(Buffer.alloc(0))
        const options = { method: 'PUT', headers: { ...headers, authorization: `Bearer ${own}` }, body, duplex: 'half' }
        return { own, reply: gateway.publicApp.request('/api/user/avatar', options as RequestInit) }
      }),
    )
    await expect.poll(() => reading).toBe(12)
    const again = await upload(gateway, stuck[0]?.own ?? '', await png())
    expect({ code: again.body.code, wait: again.headers.get('retry-after') }).toEqual({ code: 'A0501', wait: '2' })
    expect((await upload(gateway, token, await png())).status).toBe(200)
  })

  test('beyond eight whole pictures that wait for the decoder or the store is B0210', async () => {
    let storing = 0
    const it = await startTestGateway({
      environment: {
        AVATAR_STORE: 's3://bucket?endpoint=https://cos.example.com&region=x',
        AVATAR_STORE_ACCESS_KEY_ID: 'id',
        AVATAR_STORE_SECRET_ACCESS_KEY: 'secret',
      },
      sendElsewhere: () => new Promise(() => (storing += 1)),
    })
    const people = await Promise.all(Array.from({ length: 8 }, (_, n) => signIn(it, `waiting ${n}`)))
    const { token: ninth } = await signIn(it, 'ninth')
    const bytes = await png()
    for (const one of people) void upload(it, one.token, bytes)
    await expect.poll(() => storing, { timeout: 10_000 }).toBe(8)
    const { body, headers } = await upload(it, ninth, bytes)
    expect({ code: body.code, wait: headers.get('retry-after') }).toEqual({ code: 'B0210', wait: '2' })
    await it.close()
  })

  test('are limited by user', async () => {
    const it = await gateway.replica({ RATE_LIMIT: 'on', RATE_LIMIT_AVATARS_PER_USER: '2/60' })
    const { token: own } = await signIn(it, 'vain')
    const statuses = []
    for (let n = 0; n < 3; n += 1) statuses.push((await upload(it, own, await png())).status)
    expect(statuses).toEqual([200, 200, 429])
  })
})

test('without AVATAR_STORE the endpoint is 404 and everything else is as it was', async () => {
  const gateway = await startTestGateway()
  const { token, userId } = await signIn(gateway, 'none')
  const { status, body } = await upload(gateway, token, await png())
  expect({ status, code: body.code }).toEqual({ status: 404, code: 'A0404' })
  expect(gateway.logs()).toContain('AVATAR_STORE is not set')
  const url = 'https://auth.example.com/avatars/2026/01/AAAAAAAAAAAAAAAAAAAAAA.webp'
  await gateway.stores.database.kysely.updateTable('users').set({ avatar: url }).where('id', '=', userId).execute()
  expect((await gateway.call('GET', '/api/user', { token })).body.data.avatar).toBe(url)
  expect((await gateway.publicApp.request(new URL(url).pathname)).status).toBe(404)
  await gateway.close()
})
