/**
 * Runs the built image against real stores: migrates, serves, drains. Arguments: the image, then the command that runs one.
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

const [image = '', ...runCommand] = process.argv.slice(2)
const [file = '', ...runArguments] = runCommand
const START_TIMEOUT_MS = 30_000

const [postgres, redis] = await Promise.all([startPostgres(), startRedis()])
const secrets = mkdtempSync(join(tmpdir(), 'gateway-image-'))
try {
  const [port, adminPort] = [await freePort(), await freePort()]
  // As in the cluster: secrets are files, the rest is the environment.
  const values = {
    'database-url': postgres.url,
    'redis-url': redis.url,
    'encryption-keys': `k1:${randomBytes(32).toString('base64')}`,
    'wechat-secret': randomBytes(16).toString('hex'),
  }
  for (const [name, value] of Object.entries(values)) writeFileSync(join(secrets, name), value)
  for (const path of [secrets, ...Object.keys(values).map((name) => join(secrets, name))]) chownSync(path, 1000, 1000)
  const base = [...runArguments, '--volume', `${secrets}:/run/secrets/gateway:ro`]
  const environment = {
    NODE_OPTIONS: '--max-old-space-size-percentage=70',
    ISSUER: `http://localhost:${port}`,
    WECHAT_APPID: 'wx0000000000000000',
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
    const done = spawnSync(file, [...base, ...onlyDatabase, image, 'node', 'src/migrate.ts'], {
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
    // The runner passes the signal on to PID 1.
    server.kill('SIGTERM')
    const status = await Promise.race([ended, sleep(25_000, 'no exit within 25 s of SIGTERM')])
    if (status !== 0) throw new Error(`after SIGTERM: ${status}, wanted exit status 0`)
  } catch (error) {
    // Killing the runner would leave the container behind.
    spawnSync(file, ['rm', '--force', '--time', '0', name])
    throw new Error(`${error instanceof Error ? error.message : error}\n${output.slice(-4000)}`)
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
  await Promise.all([postgres.stop(), redis.stop()])
}
