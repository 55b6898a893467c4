/** The simulator as a process of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../server/clock.ts'
import { loadConfig } from '../../server/config/config.ts'
import { createSealer } from '../../server/crypto/seal.ts'
import { createUndiciSender } from '../../server/platforms/fetch-json.ts'
import { createOtherPlatforms } from '../../server/platforms/other-platforms.ts'
import { createMemoryCache } from '../../server/storage/cache.memory.ts'

const PROGRAM = fileURLToPath(new URL('./main.ts', import.meta.url))

function run(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, NODE_ENV: 'test', ...env } })
  onTestFinished(() => void child.kill('SIGKILL'))
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output.text += chunk
    })
  }
  return { child, output, exit: once(child, 'close').then(([status]) => status as number | null) }
}

test('the simulator runs alone, serves the curl it prints and stops with 0 on SIGTERM', async () => {
  const { child, output, exit } = run(['--port', '0', '--app', 'wx1:secret-one:acme', '--app', 'wx2:secret-two'])
  await expect.poll(() => output.text, { timeout: 10_000 }).toContain('/simulator/login')
  const url = /curl '([^']+)'/.exec(output.text)?.[1] ?? ''
  const base = new URL(url).origin

  expect(await (await fetch(url)).json()).toMatchObject({ openid: expect.any(String), unionid: expect.any(String) })
  expect(await (await fetch(url)).json()).toMatchObject({ errcode: 40163 })

  await fetch(`${base}/simulator/faults`, { method: 'POST', body: '{"drop":true,"times":1}' })
  await expect(fetch(url)).rejects.toThrow('fetch failed')
  expect(await (await fetch(url)).json()).toMatchObject({ errcode: 40163 })

  child.kill('SIGTERM')
  expect(await exit).toBe(0)
})

test.each([
  ['NODE_ENV=production', [], { NODE_ENV: 'production' }, 'does not run with NODE_ENV=production'],
  ['an unknown option', ['--prot', '1'], {}, '--prot is not an option; did you mean --port?'],
  ['a platform that is none', ['--platform', 'alipey'], {}, 'did you mean alipay?'],
  ['a port out of range', ['--port', '65536'], {}, '--port is a whole number up to 65535'],
  ['an app without a secret', ['--app', 'wx1'], {}, '--app is written'],
])('%s is refused with exit code 2 and a reason', async (_, args, env, reason) => {
  const { output, exit } = run(args, env)
  expect(await exit).toBe(2)
  expect(output.text).toContain(reason)
})

test('--help tells how and exits with 0', async () => {
  const { output, exit } = run(['--help'])
  expect(await exit).toBe(0)
  expect(output.text).toContain('--app <appid:secret[:open platform]>')
})

test('another platform runs alone and prints the environment that a gateway logs in with', async () => {
  const { output, child, exit } = run(['--port', '0', '--platform', 'alipay', '--app', '2021000000000001:unused'])
  await expect.poll(() => output.text, { timeout: 10_000 }).toContain('login code')
  const printed = (name: string) => new RegExp(`${name}='([^']+)'`).exec(output.text)?.[1] ?? ''
  const config = loadConfig({
    ISSUER: 'https://auth.example.com',
    DATABASE_URL: 'postgres://unused',
    REDIS_URL: 'redis://unused',
    ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64')}`,
    APPS: printed('APPS'),
    PLATFORM_API_BASES: printed('PLATFORM_API_BASES'),
  })
  const [app] = config.apps
  if (!app) throw new Error('no app was printed')
  const sender = createUndiciSender()
  const clock = systemClock
  const parts = {
    clock,
    send: sender.send,
    cache: createMemoryCache({ clock }),
    sealer: createSealer(config.encryptionKeys),
  }
  const [alipay] = createOtherPlatforms({ ...parts, apps: config.apps, apiBases: config.platformApiBases })
  const code = /login code: (\S+)/.exec(output.text)?.[1] ?? ''
  expect(await alipay?.exchange(app, code)).toEqual({ openid: expect.any(String) })
  await sender.close()
  child.kill('SIGTERM')
  expect(await exit).toBe(0)
  expect(await run(['--platform', 'myspace']).exit).toBe(2)
})
