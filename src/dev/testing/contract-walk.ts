/** Good requests to every operation of a gateway with everything switched on, for tests that change one thing in them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  type Caller,
  createExamples,
  type Example,
  HOME,
  multipart,
  PAGE_APPID,
  type Values,
} from './contract-examples.ts'
import { exampleOf, resolve, type Schema } from './json-schema.ts'
import { type Described, type OpenApi, operationsOf } from './openapi.ts'
import { pushEnvironment } from './push.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from './test-gateway.ts'

export const ALL = 'all-scopes-0123456789-0123456789-0123456789'
export const OPERATOR = 'operator-alone-0123456789-0123456789-0123'
export const SERVICE = 'introspect-alone-0123456789-0123456789-01'

export type Answer = { status: number; type: string; etag: string | null; value: unknown }
export type Sending = {
  token?: string | undefined
  raw?: { type: string; text: string }
  headers?: Values
  /** Behind the path and the query of the example. */
  more?: string
}

export type ContractWalk = Awaited<ReturnType<typeof openContractWalk>>

export const honoPath = (path: string) => path.replaceAll(/\{(\w+)\}/g, ':$1')
export const jsonBody = ({ operation }: Described) => operation.requestBody?.content['application/json']?.schema
export const tokenFor = ({ operation }: Described, caller: Caller) => {
  const [needed] = operation.security.flatMap((one) => Object.keys(one))
  return needed === undefined ? undefined : needed === 'user' ? caller.token : ALL
}

export async function openContractWalk() {
  const folder = await mkdtemp(join(tmpdir(), 'contract-'))
  const gateway = await startGateway(folder)
  const api = (await (await gateway.internalApp.request('/openapi.json')).json()) as OpenApi
  const operations = operationsOf(api)
  const existing = await createExamples(gateway, ALL)
  const { schemas } = api.components

  const isPublic = ({ method, path }: Described) =>
    gateway.publicApp.routes.some((route) => route.method === method.toUpperCase() && route.path === honoPath(path))

  async function signIn(person: string): Promise<Caller> {
    const { data } = (await gateway.login(person)).body
    const sessions = await gateway.call('GET', '/api/sessions', { token: data.token })
    return {
      person,
      userId: data.user_id,
      sid: sessions.body.data[0].sid,
      token: data.token,
      refreshToken: data.refresh_token,
    }
  }

  async function goodExample(described: Described, caller: Caller): Promise<Example> {
    const real = (await existing[described.operation.operationId]?.(caller)) ?? {}
    const ids: Values = { id: caller.userId, sid: caller.sid }
    const inPath = (described.operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
    const params = { ...Object.fromEntries(inPath.map(({ name }) => [name, ids[name] ?? ''])), ...real.params }
    const schema = jsonBody(described)
    if (!schema) return { ...real, params }
    return { ...real, params, body: { ...(exampleOf(schema, schemas) as object), ...real.body } }
  }

  async function send(
    described: Described,
    example: Example,
    { token, raw, headers = {}, more = '' }: Sending,
  ): Promise<Answer> {
    const { method, path } = described
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(example.params?.[name] ?? ''))
    const query = example.query ? `?${new URLSearchParams(example.query)}` : ''
    const body = raw ? { headers: { 'content-type': raw.type }, body: raw.text } : bodyOf(example)
    const app = isPublic(described) ? gateway.publicApp : gateway.internalApp
    const reply = await app.request(filled + query + more, {
      method: method.toUpperCase(),
      headers: {
        ...body?.headers,
        ...example.headers,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body ? { body: body.body } : {}),
    })
    const type = (reply.headers.get('content-type') ?? '').split(';')[0] ?? ''
    const text = await reply.text()
    const value = type === 'application/json' && text !== '' ? JSON.parse(text) : text
    return { status: reply.status, type, etag: reply.headers.get('etag'), value }
  }

  /** All operations, each with a user of its own; collects what is not as it should be. */
  async function walk(
    check: (described: Described, caller: Caller, report: (problem: string) => void) => Promise<void>,
  ): Promise<string[]> {
    const problems: string[] = []
    for (const described of operations) {
      const { method, path, operation } = described
      const caller = await signIn(`${operation.operationId} ${Math.random()}`)
      await check(described, caller, (problem) => void problems.push(`${method} ${path}: ${problem}`))
    }
    return problems
  }

  return {
    gateway,
    api,
    operations,
    schemas,
    isPublic,
    signIn,
    goodExample,
    send,
    walk,
    propertiesOf: (schema: Schema | undefined) =>
      Object.entries((schema ? (resolve(schema, schemas).properties ?? {}) : {}) as Record<string, Schema>),
    async close() {
      await gateway.close()
      await rm(folder, { recursive: true })
    },
  }
}

async function startGateway(folder: string): Promise<TestGateway> {
  const tokens = [
    `all:admin+introspect+revoke+open-data+sign+credential+platform-events+events:${ALL}`,
    `boss:admin:${OPERATOR}`,
    `orders:introspect:${SERVICE}`,
  ]
  return await startTestGateway({
    environment: {
      ...pushEnvironment,
      APPS: JSON.stringify([
        { appid: APPID, secret: APP_SECRET },
        { platform: 'wechat-page', appid: PAGE_APPID, secret: APP_SECRET, redirects: [HOME] },
      ]),
      CLIENTS: '[{"id":"pc","name":"PC","kind":"device"}]',
      ADMIN_TOKENS: tokens.join(),
      AVATAR_STORE: pathToFileURL(folder).href,
      EVENT_TARGETS: '[{"id":"orders","audience":"orders","acknowledges":["erasure"]}]',
    },
  })
}

function bodyOf({
  body,
  form,
  file,
  bytes,
}: Example): { headers: Values; body: string | Uint8Array<ArrayBuffer> } | undefined {
  if (file) {
    const whole = multipart(file)
    return { headers: whole.headers, body: new Uint8Array(whole.body) }
  }
  if (bytes) return { headers: { 'content-type': 'application/json' }, body: bytes }
  if (form)
    return {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
    }
  return body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}
