/** The real gateway of `npm run dev` and the examples beside it, each a process of its own, as in their READMEs. */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, type Service, startService } from '../src/dev/services/service.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const example = (path: string) => join(root, 'examples', path)

export const STATUS_LIST_TTL_SECONDS = 1

/** One app as usual, one whose tokens are for another service, one whose tokens live for a second. */
const apps = {
  shop: {},
  other: { audience: ['https://other.example.com'] },
  brief: { accessTokenTtlSeconds: 1 },
}
export type App = keyof typeof apps

export type LoggedIn = { token: string; userId: string; expiresAt: number }
export type Gateway = {
  issuer: string
  audience: string
  internalUrl: string
  service: Service
  login(app?: App): Promise<LoggedIn>
  logout(token: string): Promise<void>
}

/** `more`: variables beside the usual ones, which may name the issuer. */
export async function startGateway(more: (issuer: string) => Record<string, string> = () => ({})): Promise<Gateway> {
  const [publicPort, internalPort, wechatPort] = [await freePort(), await freePort(), await freePort()]
  const service = await start({
    name: 'the gateway',
    file: process.execPath,
    args: (port, folder) => [
      join(root, 'src/dev/main.ts'),
      ...['--port', `${port}`, '--admin-port', `${internalPort}`, '--wechat-port', `${wechatPort}`],
      ...['--data', join(folder, 'data')],
    ],
    env: {
      APPS: JSON.stringify(
        Object.entries(apps).map(([appid, app]) => ({
          platform: 'wechat',
          appid,
          secret: `secret-of-${appid}`,
          ...app,
        })),
      ),
      WECHAT_APPID: '',
      WECHAT_SECRET: '',
      STATUS_LIST_TTL_SECONDS: String(STATUS_LIST_TTL_SECONDS),
      SHUTDOWN_DELAY_SECONDS: '0',
      RATE_LIMIT: 'off',
      ...more(`http://localhost:${publicPort}`),
    },
    path: '/.well-known/jwks.json',
    at: publicPort,
  })
  const issuer = `http://localhost:${service.port}`

  async function post(path: string, body: object, headers: Record<string, string> = {}) {
    const reply = await fetch(`${issuer}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    const answer = (await reply.json()) as { code: string; msg: string; data: never }
    if (answer.code !== '00000') throw new Error(`${path}: ${answer.code} ${answer.msg}`)
    return answer.data
  }

  return {
    issuer,
    audience: issuer,
    internalUrl: `http://127.0.0.1:${internalPort}`,
    service,
    async login(appid = 'shop') {
      const data: { token: string; user_id: string; expires_in: number } = await post('/api/login', {
        appid,
        code: `dev:alice:${randomUUID()}`,
      })
      return { token: data.token, userId: data.user_id, expiresAt: Date.now() + data.expires_in * 1000 }
    },
    async logout(token) {
      await post('/api/logout', {}, { authorization: `Bearer ${token}` })
    },
  }
}

/** What services install from npm, so the examples import it by its name. */
export function buildSdk(): void {
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.sdk.json'], { cwd: root })
}

export const startNode = (gateway: Gateway, file: string): Promise<Service> =>
  startExample(gateway, process.execPath, () => [example(file)])

export const startPython = (gateway: Gateway, python: string): Promise<Service> =>
  startExample(gateway, python, () => ['-B', example('python/server.py')])

export const startJava = (gateway: Gateway, { file, classPath }: { file: string; classPath: string }) =>
  startExample(gateway, file, () => ['-cp', classPath, example('java/Main.java')])

export function startGo(gateway: Gateway, { file, jwtFolder }: { file: string; jwtFolder: string }): Promise<Service> {
  const folder = mkdtempSync(join(tmpdir(), 'example-go-'))
  try {
    cpSync(example('go'), folder, { recursive: true })
    const replace = `replace github.com/golang-jwt/jwt/v4 => ${jwtFolder}`
    writeFileSync(join(folder, 'go.mod'), `${readFileSync(join(folder, 'go.mod'), 'utf8')}\n${replace}\n`)
    const env = { ...process.env, HOME: homedir(), GOFLAGS: '-mod=mod', GOPROXY: 'off', GOCACHE: join(folder, 'cache') }
    run(file, ['build', '-o', 'orders', '.'], { cwd: folder, env })
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
  return startExample(gateway, join(folder, 'orders'), () => [], folder)
}

/** The configuration as it stands, but for its three ports. */
export async function startNginx(gateway: Gateway, nginx: string): Promise<Service> {
  const config = readFileSync(example('nginx/nginx.conf'), 'utf8')
  const servicePort = await freePort()
  return startExample(gateway, nginx, (port, folder) => {
    const ports = { 9090: new URL(gateway.internalUrl).port, 3000: port, 3001: servicePort }
    const text = config.replaceAll(/(?<=127\.0\.0\.1:)(9090|3000|3001)\b/g, (old) => `${ports[old as '9090']}`)
    writeFileSync(join(folder, 'nginx.conf'), text)
    // Without -e nginx first opens the log it was compiled for, which only root may write.
    return ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')]
  })
}

type Arguments = (port: number, folder: string) => string[]

function startExample({ issuer, audience }: Gateway, file: string, args: Arguments, folder?: string): Promise<Service> {
  return start({ name: file, file, args, env: { ISSUER: issuer, AUDIENCE: audience }, path: '/orders', folder })
}

/** What an example prints that is no server. */
export const printed = (file: string, env: Record<string, string>): string =>
  run(process.execPath, [example(file)], { cwd: root, env: { PATH: process.env.PATH ?? '', ...env } })

type Program = {
  name: string
  file: string
  args: Arguments
  env: Record<string, string>
  path: string
  folder?: string | undefined
  /** The port; else any. */
  at?: number
}

function start({ name, file, args, env, path, folder, at }: Program): Promise<Service> {
  const dataDir = folder ?? mkdtempSync(join(tmpdir(), 'example-'))
  return startService({
    name,
    // env(1) becomes the program, so the pid is the program's.
    file: '/usr/bin/env',
    args: (port) => [`PORT=${port}`, file, ...args(port, dataDir)],
    env,
    port: at,
    readyTimeoutMs: 60_000,
    stopSignal: 'SIGTERM',
    // Any answer will do: an example says 401 to a request without a token.
    probe: async (port) => void (await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2000) })),
    url: (port) => `http://127.0.0.1:${port}`,
    dataDir,
    removeData: () => rmSync(dataDir, { recursive: true, force: true }),
  })
}

function run(file: string, args: string[], options: { cwd: string; env?: NodeJS.ProcessEnv }): string {
  const done = spawnSync(file, args, { encoding: 'utf8', ...options })
  if (done.status !== 0)
    throw new Error(`${file} ${args.join(' ')}: ${done.error?.message ?? done.stdout + done.stderr}`)
  return done.stdout
}
