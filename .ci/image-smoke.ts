/**
 * Runs the built image against real stores and a simulated WeChat: migrates, logs somebody in, refreshes, runs the doctor, drains.
 * Arguments: the image, then the command that runs one.
 * Started by .ci/image.sh.
 */
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPostgres } from '../src/dev/services/postgres.ts'
import { startRedis } from '../src/dev/services/redis.ts'
import { freePort } from '../src/dev/services/service.ts'
import { createWechatSimulator } from '../src/dev/simulator/wechat.ts'
import { listen } from '../src/server/serve/listeners.ts'

const [image = '', ...runCommand] = process.argv.slice(2)
const [file = '', ...runArguments] = runCommand
const START_TIMEOUT_MS = 30_000
const APP = { appid: 'wx0000000000000000', secret: randomBytes(16).toString('hex') }

const [postgres, redis, wechat] = await Promise.all([
  startPostgres(),
  startRedis(),
  listen(createWechatSimulator({ apps: [APP] }).app, { host: '127.0.0.1', port: 0 }),
])
const secrets = mkdtempSync(join(tmpdir(), 'gateway-image-'))
try {
  const [port, adminPort] = [await freePort(), await freePort()]
  // As in the cluster: secrets are files, the rest is the environment.
  const values = {
    'database-url': postgres.url,
    'redis-url': redis.url,
    'encryption-keys': `k1:${randomBytes(32).toString('base64')}`,
    'wechat-secret': APP.secret,
  }
  for (const [name, value] of Object.entries(values)) writeFileSync(join(secrets, name), value)
  for (const path of [secrets, ...Object.keys(values).map((name) => join(secrets, name))]) chownSync(path, 1000, 1000)
  const base = [...runArguments, '--volume', `${secrets}:/run/secrets/gateway:ro`]
  const environment = {
    NODE_OPTIONS: '--max-old-space-size-percentage=70',
    ISSUER: `http://localhost:${port}`,
    WECHAT_APPID: APP.appid,
    WECHAT_API_BASE: wechat.url,
    HOST: '127.0.0.1',
    PORT: String(port),
    ADMIN_HOST: '127.0.0.1',
    ADMIN_PORT: String(adminPort),
    DATABASE_URL_FILE: '/run/secrets/gateway/database-url',
    REDIS_URL_FILE: '/run/secrets/gateway/redis-url',
    ENCRYPTION_KEYS_FILE: '/run/secrets/gateway/encryption-keys',
    WECHAT_SECRET_FILE: '/run/secrets/gateway/wechat-secret',
  }
  const variables = Object.entries(environment).flatMap(([name, value]) => ['--env', `${name}=${value}`])

  // Like the migration Job: with the database alone, twice, because a retry must find nothing left to do.
  const onlyDatabase = ['--env', 'MIGRATION_DATABASE_URL_FILE=/run/secrets/gateway/database-url']
  for (const attempt of ['first', 'second']) {
    const done = spawnSync(file, [...base, ...onlyDatabase, image, 'node', 'dist/server/migrate.js'], {
      encoding: 'utf8',
    })
    if (done.status !== 0)
      throw new Error(`the ${attempt} migration ended with ${done.status}: ${done.stderr}${done.stdout}`)
  }

  const name = `gateway-image-${process.pid}`
  const server = spawn(file, [...base, '--name', name, ...variables, image], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const keep = (chunk: Buffer) => {
    output += chunk
  }
  server.stdout.on('data', keep)
  server.stderr.on('data', keep)
  const ended = new Promise<number | null>((resolve) => server.on('exit', resolve))
  try {
    await untilReady(`http://127.0.0.1:${adminPort}/readyz`)
    const jwks = await fetch(`http://127.0.0.1:${port}/.well-known/jwks.json`).then((reply) => reply.json())
    if (jwks.keys?.length < 1) throw new Error(`the JWKS has no key: ${JSON.stringify(jwks)}`)
    const login = await post('/api/login', { code: 'dev:ann:1' })
    const refreshed = await post('/api/refresh', { refresh_token: login.refresh_token })
    if (refreshed.user_id !== login.user_id) throw new Error("the refreshed session is somebody else's")
    const page = await fetch(`http://127.0.0.1:${adminPort}/docs/scalar.js`)
    if (page.status !== 200) throw new Error(`the page of the API lacks its program: ${page.status}`)
    await page.arrayBuffer()
    // Not spawnSync: the doctor asks the WeChat of this process.
    const doctor = spawn(file, [...base, ...variables, image, 'node', 'dist/server/cli.js', 'doctor'])
    for (const stream of [doctor.stdout, doctor.stderr]) stream.on('data', keep)
    const found = await new Promise((resolve) => doctor.on('exit', resolve))
    if (found !== 0) throw new Error('the doctor finds a problem')
    // The runner passes the signal on to PID 1.
    server.kill('SIGTERM')
    const status = await Promise.race([ended, sleep(25_000, 'no exit within 25 s of SIGTERM')])
    if (status !== 0) throw new Error(`after SIGTERM: ${status}, wanted exit status 0`)
  } catch (error) {
    // Killing the runner would leave the container behind.
    spawnSync(file, ['rm', '--force', '--time', '0', name])
    throw new Error(`${error instanceof Error ? error.message : error}\n${output.slice(-4000)}`)
  }

  async function post(path: string, body: object): Promise<Record<string, string>> {
    const headers = { 'content-type': 'application/json' }
    const reply = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    const { code, data } = await reply.json()
    if (code !== '00000') throw new Error(`${path} answered ${reply.status} ${code}`)
    return data
  }

  async function untilReady(url: string): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS
    while (Date.now() < deadline) {
      const reply = await fetch(url).catch(() => undefined)
      if (reply?.status === 200) return
      if (server.exitCode !== null) throw new Error(`ended with ${server.exitCode} before it was ready`)
      await sleep(200)
    }
    throw new Error(`not ready after ${START_TIMEOUT_MS} ms`)
  }
} finally {
  rmSync(secrets, { recursive: true, force: true })
  await Promise.all([postgres.stop(), redis.stop(), wechat.close(0)])
}
