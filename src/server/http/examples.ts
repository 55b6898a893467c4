/** Examples for the API description: every body and reply is filled in from its schema and from what a member of that name holds in life. */
import { type ErrorCode, errorCodes } from '../errors.ts'

export type Schema = { readonly [keyword: string]: unknown }
export type Components = Readonly<Record<string, Schema>>

const USER = '01a21d0f-5ba5-78ad-a861-5707b3a03863'
const SESSION = '01a21d0f-5ba5-7f3c-9d1e-2b8c6a4f0e11'
const TIME = '2026-11-27T09:30:00.000Z'
const ACCESS_TOKEN = 'eyJhbGciOiJFUzI1NiIsImtpZCI6IkFyZ…'
const KID = 'YfVnnTKbzdXSpLz3ZUkNl5ej-rdlYUN5-EbVuHnhoGQ'

/** By the name of the member, wherever it stands. Codes and tokens are for reading, but for those that `live` gives. */
const byName: Readonly<Record<string, unknown>> = {
  msg: '成功',
  code: '0a3Kx2000pQ9uT1xYz400mLw2R3Kx20m',
  ticket: 'T1b0uQm3s5ZkqXv8a7Jr2w',
  appid: 'wx0123456789abcdef',
  platform: 'wechat',
  device: 'iPhone 17',
  token: ACCESS_TOKEN,
  token_type: 'Bearer',
  refresh_token: 'AaIdD1ulf4qGgb_7HnQAAAAB.8u0Yp2kqjz9b3c1VxZ0w5w',
  token_use: 'access_token',
  expires_in: 900,
  refresh_expires_in: 2_592_000,
  user_id: USER,
  sub: USER,
  id: USER,
  sid: SESSION,
  session_id: SESSION,
  parent_sid: null,
  nickname: '小林',
  avatar: 'https://auth.example.com/avatars/2026/11/0b9f2c.webp',
  email: 'alice@example.com',
  phone: '+8613800138000',
  birthday: '1996-04-12',
  sex: 'female',
  address: '杭州市西湖区',
  signature: '喝茶去',
  roles: ['member'],
  role: 'member',
  status: 'active',
  external_id: 'crm-10001',
  claims: { tier: 'gold' },
  ext: { tier: 'gold' },
  reason: 'reported by other users',
  actor: 'operator:support',
  ip: '203.0.113.7',
  openid: 'oZ0-Q5dS1b0uQm3s5ZkqXv8a7Jr2',
  unionid: 'oU9kq3l0Xw7bT2mZ5cR8yV1nH4sD',
  client_id: 'wx0123456789abcdef',
  request_id: '6f0c1b52-8f5e-4a0e-9a51-0d9d2f6e7a10',
  kind: 'login',
  detail: {},
  next_cursor: null,
  suspended_at: null,
  erased_at: null,
  is_new_user: false,
  current: true,
  ended: 1,
  sessions_ended: 1,
  active: true,
  valid: true,
  version: 1,
  exp: 1_795_771_800,
  at: 1_795_770_900,
  activate_after_seconds: 3600,
  kid: KID,
  alg: 'ES256',
  use: 'sig',
  kty: 'EC',
  warnings: [],
  iv: 'r7BXXKkLb8qrSNn05n0qiA==',
  encryptedData: 'CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS',
  rawData: '{"nickName":"小林"}',
  issuer: 'https://auth.example.com',
  jwks_uri: 'https://auth.example.com/.well-known/jwks.json',
  status_list_aggregation_endpoint: 'https://auth.example.com/status-lists',
  status_lists: ['https://auth.example.com/status-lists/0'],
  id_token_signing_alg_values_supported: ['ES256'],
  response_types_supported: ['none'],
  subject_types_supported: ['public'],
  openapi: '3.1.0',
  refused: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  timestamp: '1795770900',
  nonce: '1320562132',
  echostr: '5837397576500011341',
  audience: 'https://auth.example.com',
  data: '{"offerId":"1450000000","buyQuantity":1}',
  event: { Event: 'user_info_modified' },
}

/** Bodies whose members exclude each other: what a first call would send. */
const bodies: Readonly<Record<string, (live: LiveExamples) => object>> = {
  postApiLogin: ({ code }) => ({ code, device: 'API page' }),
  deleteApiUser: ({ code }) => ({ code }),
  postApiUserPhone: ({ phoneCode }) => ({ code: phoneCode }),
}

export type LiveExamples = {
  /** A login code that works, in development; one that shows the form, elsewhere. */
  code: string
  phoneCode: string
  appid: string
  /** Filled in as the operator's bearer, in development. */
  operatorToken?: string
}

export const stillExamples: LiveExamples = {
  code: String(byName.code),
  phoneCode: 'e31968a7f94cc5ee25fafc2aef2773f0bb8c3937b22520eb8ee345274d00c144',
  appid: String(byName.appid),
}

type Media = { schema?: Schema; example?: unknown }
type Parameter = { name: string; in: string; schema?: Schema; required?: boolean; example?: unknown }
type Operation = {
  operationId: string
  parameters?: Parameter[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, { description: string; content?: Record<string, Media> }>
}
export type Description = {
  paths?: Record<string, Record<string, Operation>>
  components?: { schemas?: Components }
}

/** Adds an example to every body, to every JSON reply and to parameters that must be given; those of `live` where they are meant to be sent. */
export function addExamples(description: Description, live: LiveExamples): void {
  const components = description.components?.schemas ?? {}
  for (const operation of Object.values(description.paths ?? {}).flatMap((item) => Object.values(item))) {
    for (const [type, media] of Object.entries(operation.requestBody?.content ?? {})) {
      if (!/json|urlencoded/.test(type) || !media.schema) continue
      const appid = type.includes('json') ? { appid: live.appid } : {}
      const made = bodies[operation.operationId]?.(live) ?? exampleOf(media.schema, components, '', appid)
      media.example ??= made
    }
    for (const [status, { description: told, content = {} }] of Object.entries(operation.responses))
      for (const [type, media] of Object.entries(content))
        if (type.includes('json') && media.schema)
          media.example ??= (status >= '400' && failureOf(told)) || exampleOf(media.schema, components, '')
    for (const parameter of operation.parameters ?? [])
      if (parameter.required && parameter.schema)
        parameter.example ??= exampleOf(parameter.schema, components, parameter.name)
  }
}

/** The first code that the description of a failure names. */
function failureOf(told: string): object | undefined {
  const code = told.slice(0, 5)
  if (!Object.hasOwn(errorCodes, code)) return undefined
  const fields = code === 'A0400' ? { fields: { code: '必填' } } : {}
  return { code, msg: errorCodes[code as ErrorCode].zh, data: null, request_id: byName.request_id, ...fields }
}

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': TIME,
  date: '1996-04-12',
  uuid: USER,
  email: 'alice@example.com',
  uri: 'https://auth.example.com/',
}

/** `own`: members that go before those of the names everywhere. */
export function exampleOf(
  schema: Schema,
  components: Components,
  name: string,
  own: Readonly<Record<string, unknown>> = {},
): unknown {
  if (typeof schema.$ref === 'string')
    return exampleOf(components[schema.$ref.split('/').at(-1) ?? ''] ?? {}, components, name, own)
  if ('const' in schema) return schema.const
  const types = [schema.type].flat()
  const named = name in own ? own[name] : byName[name]
  if (Array.isArray(schema.enum)) return schema.enum.includes(named) ? named : schema.enum[0]
  const isDescribed = typeof schema.properties === 'object' && Object.keys(schema.properties ?? {}).length > 0
  if (named !== undefined && !isDescribed && (types[0] === undefined || fits(named, types))) return named
  if ('default' in schema) return schema.default
  for (const several of [schema.anyOf, schema.oneOf])
    if (Array.isArray(several)) return exampleOf(several[0] as Schema, components, name, own)
  if (Array.isArray(schema.allOf))
    return Object.assign({}, ...schema.allOf.map((part) => exampleOf(part as Schema, components, name, own)))
  if (types.includes('object')) {
    const members = Object.entries((schema.properties ?? {}) as Record<string, Schema>)
    return Object.fromEntries(members.map(([key, each]) => [key, exampleOf(each, components, key, own)]))
  }
  if (types.includes('array')) return [exampleOf((schema.items ?? {}) as Schema, components, singular(name), own)]
  if (types.includes('boolean')) return true
  if (types.includes('integer') || types.includes('number')) return Number(schema.minimum ?? 1)
  if (typeof schema.format === 'string' && schema.format in FORMATS) return FORMATS[schema.format]
  return types.includes('null') ? null : 'text'
}

const singular = (name: string) => name.replace(/s$/, '')

const fits = (value: unknown, types: readonly unknown[]): boolean =>
  types.includes(
    value === null
      ? 'null'
      : Array.isArray(value)
        ? 'array'
        : Number.isInteger(value) && !types.includes('number')
          ? 'integer'
          : typeof value,
  )
