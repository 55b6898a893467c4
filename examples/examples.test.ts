/** Every example that runs, against the gateway of `npm run dev`, by HTTP: what docs/consumers.md says of it is held here. */
import { createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import type { Service } from '../src/dev/services/service.ts'
import {
  buildSdk,
  type Gateway,
  type LoggedIn,
  printed,
  STATUS_LIST_TTL_SECONDS,
  startGateway,
  startGo,
  startJava,
  startNginx,
  startNode,
  startPython,
} from './services.test-support.ts'
import { forgeries, statusListOf } from './tokens.test-support.ts'
import { type Found, findGo, findJava, findNginx, findPython } from './tools.test-support.ts'

type Example = {
  name: string
  start: (gateway: Gateway) => Promise<Service>
  /** When it refuses the token of an ended session. */
  ended: 'within seconds' | 'at once' | 'when the token expires'
  /** `npm test` without it is still a test, so its absence is said in its name instead of failing. */
  missing?: string
}

const [go, java] = [findGo(), findJava()]
const examples: Example[] = [
  { name: 'Hono with the SDK', start: (at) => startNode(at, 'hono/server.ts'), ended: 'within seconds' },
  { name: 'Express with the SDK', start: (at) => startNode(at, 'express/server.ts'), ended: 'within seconds' },
  { name: 'Fastify with the SDK', start: (at) => startNode(at, 'fastify/server.ts'), ended: 'within seconds' },
  { name: 'Hono with jwk()', start: (at) => startNode(at, 'hono/stock.ts'), ended: 'when the token expires' },
  { name: 'Express with jose', start: (at) => startNode(at, 'express/stock.ts'), ended: 'when the token expires' },
  { name: 'Fastify with jose', start: (at) => startNode(at, 'fastify/stock.ts'), ended: 'when the token expires' },
  { name: 'Python with PyJWT', start: (at) => startPython(at, findPython()), ended: 'when the token expires' },
  { name: 'nginx with auth_request', start: (at) => startNginx(at, findNginx()), ended: 'at once' },
  { name: 'Go with golang-jwt', ended: 'when the token expires', ...startedBy(go, startGo) },
  { name: 'Java with jose4j', ended: 'when the token expires', ...startedBy(java, startJava) },
]

function startedBy<T>(tool: Found<T>, start: (gateway: Gateway, found: T) => Promise<Service>) {
  if ('found' in tool) return { start: (gateway: Gateway) => start(gateway, tool.found) }
  return { start: () => Promise.reject(new Error(tool.missing)), missing: tool.missing }
}

const runnable = examples.filter(({ missing }) => missing === undefined)
const running = new Map<string, Service>()
let gateway: Gateway
/** Of the app whose tokens live for a second; long dead when it is used. */
let expired: LoggedIn

for (const { name, missing } of examples) {
  if (missing !== undefined)
    console.warn(`\n  ####\n  #### SKIPPED: the example "${name}" did not run: ${missing}\n  ####\n`)
}

beforeAll(async () => {
  buildSdk()
  gateway = await startGateway()
  expired = await gateway.login('brief')
  await Promise.all(runnable.map(async ({ name, start }) => running.set(name, await start(gateway))))
}, 120_000)

afterAll(async () => {
  await Promise.all([...running.values(), ...(gateway ? [gateway.service] : [])].map((service) => service.stop()))
})

async function orders(name: string, token?: string, headers: Record<string, string> = {}): Promise<Response> {
  const service = running.get(name)
  if (service === undefined) throw new Error(`${name} does not run`)
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return fetch(`${service.url}/orders`, { headers: { ...authorization, ...headers } })
}

const statusOf = async (name: string, token: string): Promise<number> => (await orders(name, token)).status

describe.each(examples.filter(({ missing }) => missing !== undefined))('$name', ({ missing }) => {
  // On a laptop without the tools it is skipped; where CI is set that is a failure.
  test.skipIf(!process.env.CI)(`SKIPPED: ${missing}`, () => expect.fail(missing))
})

describe.each(runnable)('$name', ({ name, ended, start }) => {
  test('lets a good token in and knows its user', async () => {
    const { token, userId } = await gateway.login()
    const reply = await orders(name, token)
    expect(reply.status).toBe(200)
    expect(await reply.json()).toMatchObject({ user_id: userId })
  })

  test('refuses a request without a token, and says which scheme it wants', async () => {
    const reply = await orders(name)
    expect(reply.status).toBe(401)
    expect(reply.headers.get('www-authenticate')).toMatch(/^Bearer /)
  })

  test('refuses forged tokens and tokens of another issuer', async () => {
    for (const [what, token] of Object.entries(await forgeries((await gateway.login()).token, gateway.issuer)))
      expect([what, await statusOf(name, token)]).toEqual([what, 401])
  })

  test('refuses a status list in the place of a token', async () => {
    expect(await statusOf(name, await statusListOf((await gateway.login()).token))).toBe(401)
  })

  // A proxy that asks the gateway has no issuer in its configuration.
  const verifies = ended !== 'at once'
  // A service is built and started: on a busy machine Go alone takes half a minute.
  if (verifies)
    test('refuses tokens whose issuer is not spelled as configured, though the keys fit', {
      timeout: 120_000,
    }, async () => {
      const service = await start({ ...gateway, issuer: gateway.issuer.replace('localhost', '127.0.0.1') })
      const { token } = await gateway.login()
      const reply = await fetch(`${service.url}/orders`, { headers: { authorization: `Bearer ${token}` } })
      await service.stop()
      // The SDK does not even take such a gateway's keys.
      expect(reply.status).toBe(ended === 'within seconds' ? 503 : 401)
    })

  test('refuses an expired token', async () => {
    // The SDK allows clocks to differ by 5 seconds.
    await sleep(Math.max(0, expired.expiresAt + 6000 - Date.now()))
    expect(await statusOf(name, expired.token)).toBe(401)
  })

  // The gateway's /verify serves many services, so it accepts every audience that tokens are made for.
  test(`${verifies ? 'refuses' : 'accepts'} a token for another audience of the same gateway`, async () => {
    expect(await statusOf(name, (await gateway.login('other')).token)).toBe(verifies ? 401 : 200)
  })
})

test('nginx lets no client say who it is', async () => {
  const { token, userId } = await gateway.login()
  const forged = { 'x-auth-user-id': 'somebody-else', 'x-auth-roles': 'admin' }
  const reply = await orders('nginx with auth_request', token, forged)
  expect(await reply.json()).toEqual({ user_id: userId, roles: '' })
})

describe('when a session ends', () => {
  let token: string
  let endedAt: number

  beforeAll(async () => {
    token = (await gateway.login()).token
    const before = await Promise.all(runnable.map(async ({ name }) => [name, await statusOf(name, token)]))
    expect(before).toEqual(runnable.map(({ name }) => [name, 200]))
    await gateway.logout(token)
    endedAt = Date.now()
  })

  test.each(runnable.filter(({ ended }) => ended === 'at once'))(
    '$name refuses its token at once',
    async ({ name }) => {
      expect(await statusOf(name, token)).toBe(401)
    },
  )

  test.each(runnable.filter(({ ended }) => ended === 'within seconds'))(
    '$name refuses its token within ttl and 5 seconds',
    async ({ name }) => {
      const deadline = endedAt + (STATUS_LIST_TTL_SECONDS + 5) * 1000
      while (Date.now() < deadline && (await statusOf(name, token)) === 200) await sleep(100)
      const reply = await orders(name, token)
      expect(reply.status).toBe(401)
      expect(reply.headers.get('www-authenticate')).toContain('session_ended')
    },
  )

  test.each(runnable.filter(({ ended }) => ended === 'when the token expires'))(
    '$name goes on accepting its token until that expires, as documented',
    async ({ name }) => {
      await sleep(Math.max(0, endedAt + (STATUS_LIST_TTL_SECONDS + 5) * 1000 - Date.now()))
      expect(await statusOf(name, token)).toBe(200)
    },
  )
})

describe('a configuration that is not run', () => {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')
  const asked = (url: string, base: string, headers = {}) => fetch(new URL(new URL(url).pathname, base), { headers })

  async function publishesKeys(url: string): Promise<void> {
    const { keys } = (await (await asked(url, gateway.issuer)).json()) as { keys: unknown[] }
    expect(keys.length).toBeGreaterThan(0)
  }

  test('of Istio parses, names where the keys are, and refuses requests without a token', async () => {
    const documents = parseAllDocuments(read('istio/orders.yaml'), { strict: true }).map((one) => {
      expect(one.errors).toEqual([])
      return one.toJS()
    })
    const [authentication, authorization] = documents
    expect(documents.map(({ apiVersion, kind }) => [apiVersion, kind])).toEqual([
      ['security.istio.io/v1', 'RequestAuthentication'],
      ['security.istio.io/v1', 'AuthorizationPolicy'],
    ])
    const [rule] = authentication.spec.jwtRules
    await publishesKeys(rule.jwksUri)
    expect(authorization.spec.action).toBe('ALLOW')
    expect(authorization.spec.rules[0].from[0].source.requestPrincipals).toEqual([`${rule.issuer}/*`])
    expect(authorization.spec.selector).toEqual(authentication.spec.selector)
  })

  test('of Envoy parses, names where the keys are, and requires a token everywhere', async () => {
    const { listeners, clusters } = parse(read('envoy/envoy.yaml')).static_resources
    const manager = listeners[0].filter_chains[0].filters[0].typed_config
    const [jwt, router] = manager.http_filters
    expect(router.name).toBe('envoy.filters.http.router')
    const providers: Record<string, EnvoyProvider> = jwt.typed_config.providers
    const [[name, provider] = expect.fail('no provider')] = Object.entries(providers)
    const { uri, cluster } = provider.remote_jwks.http_uri
    await publishesKeys(uri)
    const { hostname, port } = new URL(uri)
    const found = clusters.find((one: { name: string }) => one.name === cluster)
    const { address, port_value } = found.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address
    expect([address, port_value]).toEqual([hostname, Number(port || 80)])
    expect(jwt.typed_config.rules).toEqual([{ match: { prefix: '/' }, requires: { provider_name: name } }])
    expect(provider.audiences.length).toBeGreaterThan(0)
  })

  test('of APISIX parses, and asks the gateway where it answers', async () => {
    const text = read('apisix/apisix.yaml')
    expect(text.trimEnd().endsWith('#END'), 'APISIX reads the file only up to this line').toBe(true)
    const [online, offline] = parse(text).routes
    const forward = online.plugins['forward-auth']
    expect((await asked(forward.uri, gateway.internalUrl)).status).toBe(401)
    const { token } = await gateway.login()
    const answered = await asked(forward.uri, gateway.internalUrl, { authorization: `Bearer ${token}` })
    // Nobody gave this user an external id.
    for (const header of forward.upstream_headers)
      expect([header, answered.headers.has(header)]).toEqual([header, header !== 'X-Auth-External-Id'])
    const metadata = await (await asked(offline.plugins['openid-connect'].discovery, gateway.issuer)).json()
    expect(metadata).toMatchObject({ issuer: gateway.issuer, jwks_uri: expect.any(String) })
  })

  test('of Kong, written from the JWKS, holds the key that a real token was signed with', async () => {
    const { token } = await gateway.login()
    const config = parse(printed('kong/write-config.ts', { ISSUER: gateway.issuer }))
    const [header = '', payload = '', signature = ''] = token.split('.')
    const { kid, alg } = JSON.parse(Buffer.from(header, 'base64url').toString())
    const [plugin] = config.services[0].plugins
    expect(plugin).toEqual({ name: 'jwt', config: { key_claim_name: 'kid', claims_to_verify: ['exp'] } })
    const credential = config.consumers[0].jwt_secrets.find(({ key }: { key: string }) => key === kid)
    expect(credential.algorithm).toBe(alg)
    const key = { key: createPublicKey(credential.rsa_public_key), dsaEncoding: 'ieee-p1363' } as const
    const signed = Buffer.from(`${header}.${payload}`)
    expect(verify('sha256', signed, key, Buffer.from(signature, 'base64url'))).toBe(true)
  })

  test('of Spring parses, names where the keys are, and the algorithm that signs', async () => {
    const { jwt } = parse(read('java/application.yml')).spring.security.oauth2.resourceserver
    await publishesKeys(jwt['jwk-set-uri'])
    const { token } = await gateway.login()
    expect(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).alg).toBe(jwt['jws-algorithms'])
  })
})

type EnvoyProvider = { audiences: string[]; remote_jwks: { http_uri: { uri: string; cluster: string } } }

// Last: the gateway is not there any more afterwards.
describe('while the gateway is away', () => {
  let token: string
  const offline = runnable.filter(({ ended }) => ended !== 'at once')

  beforeAll(async () => {
    token = (await gateway.login()).token
    await Promise.all(runnable.map(({ name }) => statusOf(name, token)))
    await gateway.service.kill()
  })

  test.each(offline)('$name goes on letting good tokens in', async ({ name }) => {
    expect(await statusOf(name, token)).toBe(200)
  })

  test.each(offline)('$name, started anew, answers 503 and logs nobody out', async ({ name }) => {
    await running.get(name)?.restart()
    const reply = await orders(name, token)
    expect(reply.status).toBe(503)
    expect(reply.headers.get('retry-after')).toBe('5')
  })

  test('nginx answers 503 and logs nobody out', async () => {
    const reply = await orders('nginx with auth_request', token)
    expect(reply.status).toBe(503)
    expect(reply.headers.get('retry-after')).toBe('5')
  })
})
