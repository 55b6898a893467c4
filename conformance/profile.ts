/** A profile: how a service spells what every login service has, and which of the optional things it offers. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { namesIn } from './template.ts'

const json = z.json()
/** A member of the JSON reply, names with dots between; for tokens also `header:<name>` and `cookie:<name>`. */
const path = z.string().min(1)
const one = <T extends z.ZodType>(item: T) => z.union([item, z.array(item).min(1)])

const requestSchema = z.strictObject({
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).default('POST'),
  path: z.string().startsWith('/'),
  listener: z.enum(['public', 'internal']).default('public'),
  headers: z.record(z.string(), z.string()).default({}),
  /** JSON, with {names} in it. */
  body: json.optional(),
  /** Instead of JSON: application/x-www-form-urlencoded. */
  form: z.record(z.string(), z.string()).optional(),
})
export type RequestSpec = z.output<typeof requestSchema>

const appSchema = z.strictObject({
  appid: z.string().min(1),
  secret: z.string().min(1),
  /** Apps of one Open Platform account get the same unionid for the same person. */
  openPlatform: z.string().optional(),
})
export type App = z.output<typeof appSchema>

const refusalSchema = z
  .strictObject({ status: one(z.int()).optional(), code: one(z.union([z.string(), z.int()])).optional() })
  .transform(({ status, code }) => ({
    status: status === undefined ? undefined : [status].flat(),
    code: code === undefined ? undefined : [code].flat(),
  }))

/** What is expected of a refusal where the profile says nothing. */
const usualStatus = {
  codeInvalid: [400, 401, 403, 409, 410, 422],
  userBlocked: [400, 401, 403],
  platformLimit: [429, 503],
  platformFailed: [502, 503, 504],
  invalidRequest: [400, 422],
  dataInvalid: [400, 401, 403, 409, 422],
  tokenInvalid: [401],
  refreshInvalid: [400, 401],
  refreshReplayed: [400, 401],
  suspended: [400, 401, 403],
  limited: [429],
} as const
export type RefusalName = keyof typeof usualStatus
export type Refusal = { status: readonly number[]; code: readonly (string | number)[] | undefined }

const refusalNames = Object.keys(usualStatus) as RefusalName[]
const seconds = z.number().positive()

const profileSchema = z.strictObject({
  $schema: z.string().optional(),
  name: z.string().min(1),
  apps: z.strictObject({
    main: appSchema,
    /** Shares its users with main, by unionid. */
    sister: appSchema.optional(),
    /** Has users of its own, whatever unionid WeChat tells. */
    other: appSchema.optional(),
    /** Its sessions end this long after the login, however often they are refreshed. */
    brief: appSchema.extend({ sessionSeconds: seconds }).optional(),
    /** Its access tokens live this long, in sessions that live on. */
    quick: appSchema.extend({ tokenSeconds: seconds }).optional(),
  }),
  success: z.strictObject({ status: one(z.int()).default(200), where: z.record(z.string(), json).default({}) }),
  error: z.strictObject({ code: path.optional(), fields: path.optional(), requestId: path.optional() }).default({}),
  refusals: z.partialRecord(z.enum(refusalNames), refusalSchema).default({}),
  login: z.strictObject({
    ...requestSchema.shape,
    answer: z.strictObject({
      accessToken: path,
      refreshToken: path.optional(),
      expiresIn: path.optional(),
      user: path.optional(),
      isNew: path.optional(),
      nickname: path.optional(),
    }),
    /** The members of the body for what a client may bring along. */
    brings: z
      .strictObject({
        userinfo: z.string().optional(),
        rawData: z.string().optional(),
        signature: z.string().optional(),
        encryptedData: z.string().optional(),
        iv: z.string().optional(),
      })
      .default({}),
    /** How the service answers a code whose login succeeded: the same session again, or a refusal. */
    sameCodeAgain: z.enum(['same-session', 'refused']),
    /** The name of the code's member as the error's fields tell it. */
    codeField: z.string().default('code'),
    /** Members that make the body invalid although its code is good. */
    invalid: z.record(z.string(), json).optional(),
    slowestSeconds: seconds.default(5),
  }),
  refresh: z
    .strictObject({
      ...requestSchema.shape,
      /** The field that its body's token is named by when it is wrong. */
      tokenField: z.string().optional(),
      /** How long the last used token gets the same successor. */
      reuseSeconds: seconds,
    })
    .optional(),
  logout: requestSchema.optional(),
  /** Anything of a logged-in user that a bearer access token opens. */
  me: z
    .strictObject({
      ...requestSchema.shape,
      answer: z.strictObject({ user: path.optional(), nickname: path.optional(), avatar: path.optional() }).default({}),
    })
    .optional(),
  sessions: z.strictObject({ list: requestSchema, items: path, sid: z.string(), end: requestSchema }).optional(),
  erase: z.strictObject({ ...requestSchema.shape, proof: z.enum(['code', 'none']).default('code') }).optional(),
  accessToken: z
    .strictObject({
      format: z.literal('jwt'),
      issuer: z.string().optional(),
      audience: z.string().optional(),
      types: z.array(z.string()).default(['JWT', 'at+jwt']),
      /** Claims beyond iss, sub, aud, exp, iat and jti that every token has. */
      claims: z.array(z.string()).default([]),
      atMostSeconds: seconds.default(3600),
    })
    .optional(),
  jwks: z.string().optional(),
  metadata: z.array(z.string()).optional(),
  /** Token Status Lists (draft-ietf-oauth-status-list), found through the token's `status` claim. */
  statusList: z.strictObject({ withinSeconds: seconds.default(5) }).optional(),
  introspect: requestSchema.optional(),
  operator: z
    .strictObject({
      suspend: requestSchema.optional(),
      reinstate: requestSchema.optional(),
      endSessions: requestSchema.optional(),
      rotateKey: z.strictObject({ ...requestSchema.shape, signsWithinSeconds: seconds }).optional(),
    })
    .default({}),
  /** How many logins of one person pass within a minute. */
  rateLimit: z.strictObject({ loginsOfOnePerson: z.int().positive() }).optional(),
  /** Platform ids that replies and tokens may hold. */
  exposes: z.array(z.enum(['openid', 'unionid'])).default([]),
})

export type Profile = z.output<typeof profileSchema>

const needs = {
  refresh: (p) => p.refresh && p.login.answer.refreshToken,
  logout: (p) => p.logout,
  me: (p) => p.me,
  sessions: (p) => p.sessions,
  erase: (p) => p.erase,
  jwt: (p) => p.accessToken,
  jwks: (p) => p.jwks,
  metadata: (p) => p.metadata,
  'status list': (p) => p.statusList && p.accessToken,
  introspect: (p) => p.introspect,
  suspend: (p) => p.operator.suspend,
  reinstate: (p) => p.operator.reinstate,
  'end sessions': (p) => p.operator.endSessions,
  'rotate key': (p) => p.operator.rotateKey,
  'rate limit': (p) => p.rateLimit,
  'sister app': (p) => p.apps.sister,
  'other app': (p) => p.apps.other,
  'brief app': (p) => p.apps.brief,
  'quick app': (p) => p.apps.quick,
  'is new': (p) => p.login.answer.isNew,
  'user info': (p) => p.login.brings.userinfo,
  'signed data': (p) => p.login.brings.rawData && p.login.brings.signature,
  'encrypted data': (p) => p.login.brings.encryptedData && p.login.brings.iv,
  nickname: (p) => p.login.answer.nickname,
  avatar: (p) => p.me?.answer.avatar,
  'invalid login': (p) => p.login.invalid,
  fields: (p) => p.error.fields,
  'request id': (p) => p.error.requestId,
} satisfies Record<string, (profile: Profile) => unknown>

export type Need = keyof typeof needs

/** What the profile lacks of these needs. */
export const missing = (profile: Profile, wanted: readonly Need[] = []): Need[] =>
  wanted.filter((need) => !needs[need](profile))

export function refusalOf(profile: Profile, name: RefusalName): Refusal {
  const { status, code } = profile.refusals[name] ?? {}
  return { status: status ?? usualStatus[name], code }
}

/** What is wrong with a profile, in a sentence for its writer. */
export class ProfileError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ProfileError'
  }
}

/** Reads a profile; `values` stand in for its {names} that the runner does not fill in itself. Throws ProfileError. */
export function readProfile(file: string, values: Readonly<Record<string, string>>): Profile {
  const parsed = profileSchema.safeParse(jsonOf(file))
  if (!parsed.success) throw new ProfileError(`${file}:\n${z.prettifyError(parsed.error)}`)
  const open = [...namesIn(parsed.data)].filter((name) => !runnerFills.has(name) && values[name] === undefined)
  if (open.length === 0) return parsed.data
  throw new ProfileError(`${file} has ${open.map((name) => `{${name}}`).join(', ')}: give --set ${open[0]}=…`)
}

function jsonOf(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new ProfileError(`${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const runnerFills = new Set(['code', 'appid', 'access_token', 'refresh_token', 'user', 'sid', 'token'])
