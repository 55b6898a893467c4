/** A real gateway for the services of sdks/live: PostgreSQL, Redis, a simulated WeChat, and one replica that can be killed and comes back at its own URL. */

import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, startSite } from '../../chaos/site.ts'
import { freePort, type Service, startService } from '../../src/dev/services/service.ts'

export const AUDIENCE = 'live-example'
export const STATUS_LIST_TTL_SECONDS = 2
export const ROTATION_SECONDS = 20

export type SignedIn = { token: string; refreshToken: string; userId: string; kid: string }

export type LiveGateway = {
  issuer: string
  login(): Promise<SignedIn>
  /** Ends the session, as its user does. */
  logout(session: SignedIn): Promise<void>
  kill(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

/** `settings`: of the gateway, beside those that make its keys and lists change within seconds. */
export async function startGateway(settings: Record<string, string> = {}): Promise<LiveGateway> {
  const [port, adminPort] = [await freePort(), await freePort()]
  const issuer = `http://127.0.0.1:${port}`
  const environment = {
    ISSUER: issuer,
    AUDIENCE,
    STATUS_LIST_TTL_SECONDS: String(STATUS_LIST_TTL_SECONDS),
    SIGNING_KEY_ROTATION_SECONDS: String(ROTATION_SECONDS),
    SIGNING_KEY_PUBLISH_AHEAD_SECONDS: '8',
    JWKS_MAX_AGE_SECONDS: '4',
    ACCESS_TOKEN_TTL_SECONDS: '300',
    ...settings,
  }
  const site = await startSite({ replicas: 0, environment })
  let gateway: Service
  try {
    gateway = await startReplica(port, adminPort, site.environment)
  } catch (error) {
    await site.stop()
    throw error
  }

  async function post(path: string, body: object): Promise<Record<string, string>> {
    const reply = await fetch(issuer + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const answer = (await reply.json()) as { code: string; data: Record<string, string> | null }
    if (answer.code !== '00000') throw new Error(`${path} answered ${JSON.stringify(answer)}`)
    return answer.data ?? {}
  }

  return {
    issuer,
    async login() {
      const person = randomUUID().slice(0, 8)
      const data = await post('/api/login', { code: `dev:${person}:1` })
      const { token = '', refresh_token: refreshToken = '', user_id: userId = '' } = data
      const { kid } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: string }
      return { token, refreshToken, userId, kid }
    },
    async logout({ refreshToken }) {
      await post('/api/logout', { refresh_token: refreshToken })
    },
    kill: () => gateway.kill(),
    restart: () => gateway.restart(),
    async stop() {
      await gateway.stop()
      await site.stop()
    },
  }
}

function startReplica(port: number, adminPort: number, environment: Record<string, string>): Promise<Service> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gateway-live-'))
  return startService({
    name: 'the gateway',
    file: process.execPath,
    args: () => [join(ROOT, 'src/main.ts')],
    env: { ...environment, PORT: String(port), ADMIN_PORT: String(adminPort) },
    stopSignal: 'SIGTERM',
    async probe() {
      const reply = await fetch(`http://127.0.0.1:${adminPort}/readyz`, { signal: AbortSignal.timeout(1000) })
      await reply.arrayBuffer()
      if (reply.status !== 200) throw new Error(`it answers ${reply.status}`)
    },
    url: (own) => `http://127.0.0.1:${own}`,
    port,
    readyTimeoutMs: 60_000,
    dataDir,
    removeData: () => rmSync(dataDir, { recursive: true, force: true }),
  })
}
