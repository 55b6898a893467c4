/** PUT /api/user/avatar through HTTP: with pictures in a folder, and on S3-compatible storage over real sockets. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { form, png, signIn, upload } from '../../dev/testing/avatar.ts'
import { svg } from '../../dev/testing/pictures.ts'
import { type S3Simulator, startS3Simulator } from '../../dev/testing/s3-simulator.ts'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { createUndiciSender, type UndiciSender } from '../platforms/fetch-json.ts'

const credentials = {
  bucket: 'pictures-1250000000',
  region: 'ap-guangzhou',
  accessKeyId: 'AKID',
  secretAccessKey: 'SK',
}

type Kept = {
  environment: Record<string, string>
  /** What the URLs of pictures start with. */
  base: string
  /** The keys of what is kept. */
  keys(): Promise<string[]>
  get(url: string): Promise<{ bytes: Buffer; headers: Record<string, string | null | undefined> } | undefined>
}

let folder: string
let s3: S3Simulator
let sender: UndiciSender

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'avatars-'))
  s3 = await startS3Simulator(credentials)
  sender = createUndiciSender()
})
afterAll(async () => {
  await sender.close()
  await s3.close()
  await rm(folder, { recursive: true })
})

function inFolder(gateway: () => TestGateway): Kept {
  return {
    environment: { AVATAR_STORE: pathToFileURL(folder).href },
    base: 'https://auth.example.com',
    keys: async () => (await readdir(folder, { recursive: true })).filter((name) => /\.\w+$/.test(name)).sort(),
    async get(url) {
      const reply = await gateway().publicApp.request(new URL(url).pathname)
      const bytes = Buffer.from(await reply.arrayBuffer())
      return reply.status === 200 ? { bytes, headers: Object.fromEntries(reply.headers) } : undefined
    },
  }
}

function onS3(): Kept {
  const query = new URLSearchParams({ endpoint: s3.endpoint, region: credentials.region, pathStyle: 'true' })
  query.append('publicBase', 'https://cdn.example.com/p')
  query.append('publicBase', 'https://old-cdn.example.com')
  return {
    environment: {
      AVATAR_STORE: `s3://${credentials.bucket}?${query}`,
      AVATAR_STORE_ACCESS_KEY_ID: credentials.accessKeyId,
      AVATAR_STORE_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
    base: 'https://cdn.example.com/p',
    keys: async () => [...s3.objects.keys()].sort(),
    async get(url) {
      const found = s3.objects.get(url.slice('https://cdn.example.com/p/'.length))
      return found && { bytes: found.body, headers: found.headers }
    },
  }
}

describe.each(['folder', 's3'] as const)('pictures in %s', (kind) => {
  let gateway: TestGateway
  let kept: Kept
  beforeAll(async () => {
    kept = kind === 's3' ? onS3() : inFolder(() => gateway)
    gateway = await startTestGateway({ environment: kept.environment, sendElsewhere: sender.send })
  })
  afterAll(() => gateway.close())

  const setAvatar = async (userId: string, url: string) => {
    await gateway.stores.database.kysely.updateTable('users').set({ avatar: url }).where('id', '=', userId).execute()
  }

  test('an upload is kept as WebP under a URL of its own that says nothing of the user, and shown in the profile', async () => {
    const { token, userId } = await signIn(gateway, 'uploads')
    const { status, body, headers } = await upload(gateway, token, await png())
    expect(status).toBe(200)
    expect(body.data.user_id).toBe(userId)
    const url: string = body.data.avatar
    expect(url.slice(0, kept.base.length)).toBe(kept.base)
    expect(url.slice(kept.base.length)).toMatch(/^\/avatars\/\d{4}\/\d{2}\/[\w-]{22}\.webp$/)
    expect(url).not.toContain(userId)
    const found = await kept.get(url)
    expect(await sharp(found?.bytes).metadata()).toMatchObject({ format: 'webp', width: 512, height: 219 })
    expect(found?.headers).toMatchObject({
      'content-type': 'image/webp',
      'cache-control': 'public, max-age=600',
    })
    const profile = await gateway.call('GET', '/api/user', { token })
    expect(profile.body.data).toEqual(body.data)
    expect(profile.headers.get('etag')).toBe(headers.get('etag'))
  })

  test('the old picture is removed after the change, and the change is audited', async () => {
    const { token, userId } = await signIn(gateway, 'changes')
    const first = (await upload(gateway, token, await png())).body.data.avatar
    const second = (await upload(gateway, token, await png(80, 80))).body.data.avatar
    expect(second).not.toBe(first)
    expect(await kept.get(first)).toBeUndefined()
    expect(await kept.get(second)).toBeDefined()
    const events = await gateway.stores.database.kysely
      .selectFrom('audit_events')
      .select('detail')
      .where('user_id', '=', userId)
      .where('kind', '=', 'profile_changed')
      .execute()
    // Once for both: a burst of changes of one field is one event.
    expect(events).toEqual([{ detail: { fields: ['avatar'] } }])
  })

  test('a later login does not overwrite an uploaded picture', async () => {
    const { token } = await signIn(gateway, 'keeps')
    const { avatar } = (await upload(gateway, token, await png())).body.data
    await gateway.login('keeps', { userinfo: { nickName: 'K', avatarUrl: 'https://wx.qlogo.cn/mmopen/x/132' } })
    expect((await gateway.call('GET', '/api/user', { token })).body.data.avatar).toBe(avatar)
  })

  test.each([
    ["WeChat's", 'https://thirdwx.qlogo.cn/mmopen/vi_32/abc/132'],
    ["somebody else's of the same name", 'https://elsewhere.example.com/avatars/2026/01/AAAAAAAAAAAAAAAAAAAAAA.webp'],
    ['a path out of the folder', 'https://auth.example.com/avatars/2026/01/../../../../etc/passwd'],
  ])('a picture that is not ours (%s) is left alone', async (_name, url) => {
    const { token, userId } = await signIn(gateway, `foreign ${url}`)
    await setAvatar(userId, url)
    const before = await kept.keys()
    expect((await upload(gateway, token, await png())).status).toBe(200)
    expect(await kept.keys()).toHaveLength(before.length + 1)
    expect(gateway.logs()).not.toContain('was not removed')
  })

  test('erasing a user removes the picture', async () => {
    const { token, userId } = await signIn(gateway, 'leaves')
    const { avatar } = (await upload(gateway, token, await png())).body.data
    const operator = await gateway.replica({ ADMIN_TOKENS: `ops:admin:${'x'.repeat(32)}` })
    const erased = await operator.internal('DELETE', `/admin/users/${userId}`, { token: 'x'.repeat(32) })
    expect(erased.status).toBe(200)
    expect(await kept.get(avatar)).toBeUndefined()
  })

  test('a user who is erased while uploading leaves no picture behind', async () => {
    const { token, userId } = await signIn(gateway, 'raced')
    const before = await kept.keys()
    const { kysely } = gateway.stores.database
    const late = form(await png())
    const body = new ReadableStream({
      async pull(controller) {
        // The access token is checked by now, and the picture not yet there.
        await kysely.updateTable('users').set({ status: 'erased' }).where('id', '=', userId).execute()
        controller.enqueue(late.body)
        controller.close()
      },
    })
    const reply = await gateway.publicApp.request('/api/user/avatar', {
      method: 'PUT',
      headers: { ...late.headers, authorization: `Bearer ${token}` },
      body,
      duplex: 'half',
    } as RequestInit)
    expect(((await reply.json()) as { code: string }).code).toBe('A0203')
    expect(await kept.keys()).toEqual(before)
  })

  test('parallel uploads of one user, on two replicas, leave exactly the picture that is shown', async () => {
    const { token } = await signIn(gateway, 'parallel')
    const other = await gateway.replica()
    const before = await kept.keys()
    const files = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => png(n * 10, 10)))
    const replies = await Promise.all(files.map((file, n) => upload(n % 2 ? other : gateway, token, file)))
    expect(replies.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(2)
    for (const { body } of replies) expect(['00000', 'A0501']).toContain(body.code)
    const { avatar } = (await gateway.call('GET', '/api/user', { token })).body.data
    const added = (await kept.keys()).filter((key) => !before.includes(key))
    expect(added.map((key) => `${kept.base}/${key}`)).toEqual([avatar])
  })

  test('what is refused is not kept', async () => {
    const { token } = await signIn(gateway, 'refused')
    const before = await kept.keys()
    expect((await upload(gateway, token, svg)).body).toMatchObject({
      code: 'A0400',
      fields: { file: expect.any(String) },
    })
    expect(await kept.keys()).toEqual(before)
    expect((await gateway.call('GET', '/api/user', { token })).body.data.avatar).toBeNull()
  })
})

describe('storage', () => {
  let gateway: TestGateway
  let deletes: 'answered' | 'refused' = 'answered'
  beforeAll(async () => {
    gateway = await startTestGateway({
      environment: onS3().environment,
      sendElsewhere: async (request) =>
        request.method === 'DELETE' && deletes === 'refused'
          ? { status: 403, text: '<Code>AccessDenied</Code>' }
          : sender.send(request),
    })
  })
  afterAll(() => gateway.close())

  test.each(['hang', 503] as const)(
    'that fails (%s) is B0320 in time, and the profile keeps its picture',
    async (how) => {
      const { token } = await signIn(gateway, `unlucky ${how}`)
      const { avatar } = (await upload(gateway, token, await png())).body.data
      s3.fail(how)
      const { status, body } = await upload(gateway, token, await png())
      s3.fail(undefined)
      expect({ status, code: body.code }).toEqual({ status: 503, code: 'B0320' })
      expect((await gateway.call('GET', '/api/user', { token })).body.data.avatar).toBe(avatar)
    },
  )

  test('that refuses our credentials is B0320, with its code and no secret in the log', async () => {
    const { token } = await signIn(gateway, 'misconfigured')
    const replica = await gateway.replica({ AVATAR_STORE_SECRET_ACCESS_KEY: 'wrong-secret-access-key' })
    const { body } = await upload(replica, token, await png())
    expect(body.code).toBe('B0320')
    expect(replica.logs()).toContain('403 SignatureDoesNotMatch')
    expect(replica.logs()).not.toContain('wrong-secret-access-key')
  })

  test('that does not remove an old picture changes nothing for the user, and is logged', async () => {
    const { token } = await signIn(gateway, 'stays')
    await upload(gateway, token, await png())
    deletes = 'refused'
    const { status } = await upload(gateway, token, await png())
    deletes = 'answered'
    expect(status).toBe(200)
    expect(gateway.logs()).toContain('was not removed')
  })

  test('under a former public address of ours is cleared too', async () => {
    const { token, userId } = await signIn(gateway, 'moved')
    const { avatar } = (await upload(gateway, token, await png())).body.data
    const key = avatar.slice('https://cdn.example.com/p/'.length)
    const { kysely } = gateway.stores.database
    const formerly = `https://old-cdn.example.com/${key}`
    await kysely.updateTable('users').set({ avatar: formerly }).where('id', '=', userId).execute()
    await upload(gateway, token, await png())
    expect(s3.objects.has(key)).toBe(false)
  })
})
