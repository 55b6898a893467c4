/** The bundle as `npm start` and the image run it: a process of its own on real stores, every part that is loaded late asked for once. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { type Listener, listen } from '../../server/serve/listeners.ts'
import { freePort } from '../services/service.ts'
import { createWechatSimulator } from '../simulator/wechat.ts'
import { buildServer } from '../tools/build-server.ts'
import { picture } from './pictures.ts'
import { openTestStores, type TestStores } from './real-stores.ts'
import { type S3Simulator, startS3Simulator } from './s3-simulator.ts'
import type { Envelope } from './test-gateway.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const [APPID, SECRET, MISCONFIGURED] = ['wx00000000000000b1', 's'.repeat(32), 'wx00000000000000b2']
const bucket = { bucket: 'b-1', region: 'r-1', accessKeyId: 'AKID', secretAccessKey: 'the-secret-key' }
const ADMIN = 'a'.repeat(32)

describe.runIf(inject('stores') === 'real')('the bundle', () => {
  let folder: string
  let stores: TestStores
  let wechat: Listener
  let s3: S3Simulator
  let collector: Server
  let environment: Record<string, string>
  let server: ChildProcess
  let [url, internalUrl, logged, traces] = ['', '', '', '']

  beforeAll(async () => {
    // Below the repository, so that the packages outside of the bundle are found as they are in the image.
    mkdirSync(join(root, '.cache'), { recursive: true })
    folder = mkdtempSync(join(root, '.cache/bundle-'))
    const simulator = createWechatSimulator({ apps: [{ appid: APPID, secret: SECRET }] })
    collector = createServer((request, reply) => {
      request.on('data', (chunk) => {
        traces += chunk
      })
      request.on('end', () => reply.setHeader('content-type', 'application/json').end('{}'))
    })
    await Promise.all([buildServer(folder), new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))])
    stores = await openTestStores()
    s3 = await startS3Simulator(bucket)
    wechat = await listen(simulator.app, { host: '127.0.0.1', port: 0 })
    const [port, adminPort] = [await freePort(), await freePort()]
    url = `http://127.0.0.1:${port}`
    internalUrl = `http://127.0.0.1:${adminPort}`
    const app = (appid: string, secret: string) => ({ platform: 'wechat', appid, secret })
    environment = {
      NODE_ENV: 'production',
      ISSUER: url,
      DATABASE_URL: stores.databaseUrl,
      REDIS_URL: stores.redisUrl,
      ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
      APPS: JSON.stringify([app(APPID, SECRET), app(MISCONFIGURED, 'w'.repeat(32))]),
      WECHAT_API_BASE: wechat.url,
      HOST: '127.0.0.1',
      PORT: String(port),
      ADMIN_HOST: '127.0.0.1',
      ADMIN_PORT: String(adminPort),
      ADMIN_TOKENS: `all:admin+credential+sign:${ADMIN}`,
      CLIENTS: JSON.stringify([{ id: 'pc', name: 'Back office', kind: 'device' }]),
      AVATAR_STORE: `s3://b-1?endpoint=${s3.endpoint}&region=r-1&pathStyle=true`,
      AVATAR_STORE_ACCESS_KEY_ID: bucket.accessKeyId,
      AVATAR_STORE_SECRET_ACCESS_KEY: bucket.secretAccessKey,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
      SHUTDOWN_DELAY_SECONDS: '0',
    }
    server = spawn(process.execPath, [join(folder, 'main.js')], { env: environment })
    for (const stream of [server.stdout, server.stderr])
      stream?.setEncoding('utf8').on('data', (text) => {
        logged += text
      })
    await vi.waitFor(async () => {
      const reply = await fetch(`${internalUrl}/readyz`).catch(() => undefined)
      expect(reply?.status, logged).toBe(200)
    }, 20_000)
  })
  afterAll(async () => {
    if (server?.exitCode === null) server.kill('SIGKILL')
    collector?.close()
    await Promise.all([wechat?.close(0), s3?.close(), stores?.close()])
    rmSync(folder, { recursive: true, force: true })
  })

  async function run(file: string, ...args: string[]) {
    const child = spawn(process.execPath, [join(folder, file), ...args], { env: environment })
    let out = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        out += text
      })
    const [status] = await once(child, 'close')
    return { status, out }
  }
  async function post(path: string, body: object, headers: Record<string, string> = {}, base = url) {
    const reply = await fetch(base + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    return { status: reply.status, body: (await reply.json()) as Envelope }
  }
  const login = (code: string, appid = APPID) => post('/api/login', { code, appid })
  const admin = { authorization: `Bearer ${ADMIN}` }

  test('migrates, and finds nothing left to do', async () => {
    expect(await run('migrate.js')).toEqual({ status: 0, out: 'The schema is up to date.\n' })
  })

  test('logs in and refreshes, and its tokens are traced', async () => {
    const { body } = await login('dev:ann:1')
    expect(body).toMatchObject({ code: '00000', data: { token_type: 'Bearer' } })
    const refreshed = await post('/api/refresh', { refresh_token: body.data.refresh_token })
    expect(refreshed.status).toBe(200)
    await vi.waitFor(() => expect(traces).toContain('postgres refresh_sessions'), 10_000)
    expect(traces).toContain('POST /api/login')
  })

  test('re-encodes a picture and keeps it in a bucket', async () => {
    const { data } = (await login('dev:bea:1')).body
    const form = new FormData()
    const png = await picture({ width: 40, height: 40 }).png().toBuffer()
    form.set('file', new Blob([new Uint8Array(png)], { type: 'image/png' }), 'me.png')
    const reply = await fetch(`${url}/api/user/avatar`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${data.token}` },
      body: form,
    })
    expect([reply.status, await reply.text()]).toEqual([200, expect.stringContaining(s3.endpoint)])
    expect([...s3.objects.values()][0]?.body.toString('latin1', 8, 12)).toBe('WEBP')
  })

  test('serves the page of the API with every file it asks for', async () => {
    const page = await (await fetch(`${internalUrl}/docs`)).text()
    const asked = [...page.matchAll(/(?:src|href)="(docs\/[^"]+)"/g)].map(([, path]) => path)
    expect(asked).toHaveLength(4)
    for (const path of [...asked, 'openapi.json'])
      expect([path, (await fetch(`${internalUrl}/${path}`)).status]).toEqual([path, 200])
  })

  test('loads the optional capabilities that the configuration turns on', async () => {
    const asked = await fetch(`${url}/oauth2/device_authorization`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: 'pc' }),
    })
    const { verification_uri_complete: page = '', user_code: code } = (await asked.json()) as Record<string, string>
    expect([asked.status, code]).toEqual([200, expect.any(String)])
    expect((await fetch(page)).status).toBe(200)
    const lent = await post('/internal/platform-credential', { appid: APPID }, admin, internalUrl)
    expect(lent.body).toMatchObject({ code: '00000' })
  })

  test('the command line checks, lists keys and reads a token', async () => {
    const token = (await login('dev:cleo:1')).body.data.token
    expect(await run('cli.js', 'keys', 'list')).toMatchObject({ status: 0, out: expect.stringContaining('active') })
    expect(await run('cli.js', 'token', 'inspect', token)).toMatchObject({
      status: 0,
      out: expect.stringContaining('\nvalid'),
    })
    // One app has a wrong secret, which is a problem that it finds, and no crash.
    expect(await run('cli.js', 'doctor')).toMatchObject({ status: 1, out: expect.stringContaining(MISCONFIGURED) })
  })

  test('a stack in the log names files and lines of the sources', async () => {
    expect((await login('dev:dora:1', MISCONFIGURED)).status).toBe(502)
    const stack = await vi.waitFor(() => {
      const line = logged.split('\n').find((text) => text.includes('"stack"'))
      return JSON.parse(line ?? '').error.stack as string
    }, 5000)
    const [, path = '', line = ''] = /\((\S+\/src\/server\/\S+\.ts):(\d+):\d+\)/.exec(stack) ?? []
    const source = readFileSync(path, 'utf8').split('\n')
    expect(source[Number(line) - 1]).toMatch(/Error\(/)
  })

  test('drains and ends with 0', async () => {
    const ended = new Promise((resolve) => server.once('exit', resolve))
    server.kill('SIGTERM')
    expect(await ended).toBe(0)
  })

  test('carries the licence of every package in it', () => {
    const licences = readFileSync(join(folder, 'THIRD-PARTY-LICENSES.txt'), 'utf8')
    for (const name of ['hono', 'zod', 'pg', 'ioredis', 'undici', '@opentelemetry/api'])
      expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'))
  })
})
