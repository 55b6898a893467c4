/** The environment, read once: one schema for every variable, one report of all problems. The only reader of process.env. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { readRsaPrivateKey, readRsaPublicKey } from './crypto/rsa-keys.ts'
import type { EncryptionKey } from './crypto/seal.ts'

export const sisterNames = ['qq', 'douyin', 'alipay', 'baidu', 'kuaishou', 'xiaohongshu', 'wecom'] as const
export type SisterName = (typeof sisterNames)[number]
const platformNames = ['wechat', ...sisterNames] as const
export type PlatformName = (typeof platformNames)[number]

export const signingAlgorithms = ['ES256', 'RS256', 'EdDSA'] as const
export type SigningAlgorithm = (typeof signingAlgorithms)[number]

const optionalClaims = ['openid', 'unionid', 'platform'] as const
export type OptionalClaim = (typeof optionalClaims)[number]

const adminScopes = ['admin', 'introspect', 'open-data'] as const
export type AdminScope = (typeof adminScopes)[number]
export type AdminToken = { name: string; scopes: AdminScope[]; secret: string }

/** One program on one platform, as configured. */
export type AppConfig = {
  platform: PlatformName
  appid: string
  /** The AppSecret; for Alipay the app's RSA private key, for WeCom the Secret of the linked app. */
  secret: string
  /** Alipay only: the key that its replies are signed with. */
  alipayPublicKey?: string | undefined
  /** WeCom only: the company that the program is linked to. */
  corpid?: string | undefined
  /** Apps of the same union share unionids, and so their users. */
  union?: string | undefined
  audience?: string[] | undefined
  accessTokenTtlSeconds?: number | undefined
  refreshTokenTtlSeconds?: number | undefined
  sessionTtlSeconds?: number | undefined
  claims?: OptionalClaim[] | undefined
}

const seconds = (min: number, max = 10 * 365 * 86_400) => z.coerce.number().int().min(min).max(max)
const port = z.coerce.number().int().min(0).max(65_535)
const list = (text: string) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

const baseUrl = z
  .string()
  .refine(isIssuerUrl, 'must be an https URL (http only on a loopback host), without query or fragment')

function isIssuerUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  return (
    (url.protocol === 'https:' || (url.protocol === 'http:' && loopback)) &&
    !/[?#\s]/.test(text) &&
    url.username === '' &&
    url.password === ''
  )
}

const storeUrl = (...schemes: string[]) =>
  z
    .string()
    .refine(
      (text) => schemes.some((scheme) => text.startsWith(`${scheme}://`)),
      `must start with ${schemes.join(':// or ')}://`,
    )

const encryptionKeys = z.string().transform((text, context): EncryptionKey[] => {
  const keys: EncryptionKey[] = []
  for (const item of list(text)) {
    const [, id, base64] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]{43}=?)$/.exec(item) ?? []
    const secret = Buffer.from(base64 ?? '', 'base64')
    if (id === undefined || secret.length !== 32) {
      context.addIssue(`entry ${keys.length + 1} must be id:base64 of exactly 32 bytes (openssl rand -base64 32)`)
      return z.NEVER
    }
    if (keys.some((key) => key.id === id)) {
      context.addIssue(`the id "${id}" is there twice`)
      return z.NEVER
    }
    keys.push({ id, secret })
  }
  if (keys.length === 0) context.addIssue('needs at least one id:base64 entry')
  return keys
})

const adminTokens = z.string().transform((text, context): AdminToken[] => {
  const tokens: AdminToken[] = []
  for (const item of list(text)) {
    const [, name, scopeText = '', secret = ''] = /^([A-Za-z0-9_.-]{1,64}):([a-z+-]+):(.+)$/.exec(item) ?? []
    const scopes = scopeText.split('+')
    const known = scopes.filter((scope): scope is AdminScope => adminScopes.some((one) => one === scope))
    if (name === undefined || known.length !== scopes.length) {
      context.addIssue(
        `entry ${tokens.length + 1} must be name:scope+scope:secret with scopes from ${adminScopes.join(', ')}`,
      )
      return z.NEVER
    }
    if (secret.length < 32) context.addIssue(`the secret of "${name}" must have at least 32 characters`)
    if (tokens.some((token) => token.name === name)) context.addIssue(`the name "${name}" is there twice`)
    tokens.push({ name, scopes: known, secret })
  }
  return tokens
})

const appid = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores')

const apps = z.string().transform((text, context): AppConfig[] => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    context.addIssue('is not JSON')
    return z.NEVER
  }
  const parsed = z.array(appSchema).min(1).safeParse(value)
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) context.addIssue(`${issue.path.join('.') || 'value'}: ${issue.message}`)
  return z.NEVER
})

const appFields = z.strictObject({
  platform: z.enum(platformNames).default('wechat'),
  appid,
  secret: z.string().min(1).max(8192),
  alipayPublicKey: z.string().max(8192).optional(),
  corpid: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, dashes or underscores')
    .optional(),
  union: z.string().min(1).max(64).optional(),
  audience: z.array(z.string().min(1)).min(1).optional(),
  accessTokenTtlSeconds: seconds(1, 86_400).optional(),
  refreshTokenTtlSeconds: seconds(1).optional(),
  sessionTtlSeconds: seconds(1).optional(),
  claims: z.array(z.enum(optionalClaims)).optional(),
})

/** What one platform needs and the others refuse, so that a line pasted to the wrong place is noticed. */
const appSchema = appFields.superRefine(({ platform, secret, alipayPublicKey, corpid }, context) => {
  const problem = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message })
  if (platform === 'alipay') {
    if (!readRsaPrivateKey(secret)) problem('secret', "must be the app's RSA private key of at least 2048 bits")
    if (!readRsaPublicKey(alipayPublicKey ?? '')) {
      problem('alipayPublicKey', 'must be the RSA public key of Alipay (not of the app), of at least 2048 bits')
    }
  } else if (alipayPublicKey !== undefined) problem('alipayPublicKey', 'is for the platform alipay only')
  if (platform === 'wecom' && corpid === undefined) problem('corpid', 'is required for the platform wecom')
  if (platform !== 'wecom' && corpid !== undefined) problem('corpid', 'is for the platform wecom only')
})

const platformApiBases = z.string().transform((text, context): Partial<Record<SisterName, string>> => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    context.addIssue('is not JSON')
    return z.NEVER
  }
  const parsed = z.partialRecord(z.enum(sisterNames), baseUrl).safeParse(value)
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) context.addIssue(`${issue.path.join('.') || 'value'}: ${issue.message}`)
  return z.NEVER
})

const claims = z.string().transform((text, context): OptionalClaim[] => {
  const names = list(text)
  const known = names.filter((name): name is OptionalClaim => optionalClaims.some((one) => one === name))
  if (known.length !== names.length) context.addIssue(`knows only ${optionalClaims.join(', ')}`)
  return known
})

/** So many acts within so many seconds. */
export type RateLimitRule = { points: number; seconds: number }

const rateLimitRule = (fallback: `${number}/${number}`) =>
  z
    .string()
    .transform((text, context): RateLimitRule => {
      const [, points, period] = /^([1-9]\d{0,8})\/([1-9]\d{0,5})$/.exec(text) ?? []
      if (points === undefined || period === undefined) {
        context.addIssue('must be points/seconds, such as 600/60')
        return z.NEVER
      }
      return { points: Number(points), seconds: Number(period) }
    })
    .prefault(fallback)

const onOff = z.enum(['on', 'off']).transform((text) => text === 'on')

/** Every variable, in the order of the documentation. A description is what docs/configuration.md prints. */
export const environmentSchema = z.object({
  ISSUER: baseUrl.describe(
    'The `iss` of every token and the base of all published URLs; https, or http on a loopback host.',
  ),
  AUDIENCE: z
    .string()
    .transform(list)
    .optional()
    .describe('`aud` of access tokens; a comma list is several. Default: the issuer.'),
  DATABASE_URL: storeUrl('postgres', 'postgresql').describe('PostgreSQL.'),
  MIGRATION_DATABASE_URL: storeUrl('postgres', 'postgresql')
    .optional()
    .describe('A direct connection for migrations, where `DATABASE_URL` goes through a transaction pooler.'),
  DATABASE_POOL_MAX: z.coerce.number().int().min(1).max(200).default(10).describe('Connections to PostgreSQL.'),
  REDIS_URL: storeUrl('redis', 'rediss').describe('Redis.'),
  ENCRYPTION_KEYS: encryptionKeys.describe('`id:base64(32 bytes)`, comma separated; the first seals, all open.'),
  WECHAT_APPID: appid.optional().describe('The one-app short form: the appid.'),
  WECHAT_SECRET: z.string().min(1).optional().describe('The one-app short form: the AppSecret.'),
  APPS: apps.optional().describe('Several apps, as a JSON array.'),
  WECHAT_API_BASE: z
    .url({ protocol: /^https?$/ })
    .default('https://api.weixin.qq.com')
    .describe("WeChat's server API."),
  UPSTREAM_MAX_CONCURRENCY: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(256)
    .describe('Connections to each platform; twice as many calls are admitted, the rest is shed.'),
  PLATFORM_API_BASES: platformApiBases
    .optional()
    .describe('Server APIs of the sister platforms, where they are not the public ones: JSON, platform to URL.'),
  HOST: z.string().default('0.0.0.0').describe('Address of the public listener.'),
  PORT: port.default(8080).describe('Port of the public listener.'),
  ADMIN_HOST: z.string().default('0.0.0.0').describe('Address of the internal listener.'),
  ADMIN_PORT: port.default(9090).describe('Port of the internal listener; never expose it to the internet.'),
  ADMIN_TOKENS: adminTokens.default([]).describe('`name:scope+scope:secret`, comma separated. Unset: the API is off.'),
  ACCESS_TOKEN_TTL_SECONDS: seconds(1, 86_400).default(900).describe('Lifetime of an access token.'),
  REFRESH_TOKEN_TTL_SECONDS: seconds(1).default(2_592_000).describe('A session not refreshed for this long ends.'),
  SESSION_TTL_SECONDS: seconds(1)
    .default(15_552_000)
    .describe('A session ends after this long, however often refreshed.'),
  REFRESH_REUSE_INTERVAL_SECONDS: seconds(0, 3600)
    .default(30)
    .describe('How long the last used refresh token gets the same successor.'),
  SESSION_KEY_TTL_SECONDS: seconds(1).default(259_200).describe('How long a session_key is kept.'),
  SIGNING_ALG: z.enum(signingAlgorithms).default('ES256').describe('Algorithm of new signing keys.'),
  ACCESS_TOKEN_TYP: z.enum(['JWT', 'at+jwt']).default('JWT').describe('Header `typ` of access tokens.'),
  SIGNING_KEY_ROTATION_SECONDS: seconds(1).default(2_592_000).describe('How long a key signs.'),
  SIGNING_KEY_PUBLISH_AHEAD_SECONDS: seconds(1)
    .default(86_400)
    .describe('How long a key is published before it signs.'),
  JWKS_MAX_AGE_SECONDS: seconds(1).default(300).describe('How long verifiers may cache the JWKS.'),
  ACCESS_TOKEN_CLAIMS: claims.default([]).describe('Extra claims, from `openid`, `unionid`, `platform`.'),
  TRUSTED_PROXY_HOPS: z.coerce
    .number()
    .int()
    .min(0)
    .max(10)
    .default(0)
    .describe('How many proxies may be believed about the client address.'),
  RATE_LIMIT: onOff.default(true).describe('`off` for tests and benchmarks.'),
  RATE_LIMIT_LOGIN_PER_ADDRESS: rateLimitRule('1200/60').describe(
    'Logins per client address, as points/seconds; generous, since mobile carriers put many people behind one address.',
  ),
  RATE_LIMIT_LOGIN_PER_OPENID: rateLimitRule('30/60').describe('Logins of one person.'),
  RATE_LIMIT_REFRESH_PER_ADDRESS: rateLimitRule('2400/60').describe(
    'Refreshes per client address; generous for the same reason.',
  ),
  RATE_LIMIT_PAID_PER_USER: rateLimitRule('10/3600').describe(
    'Acts of one user that cost money, such as asking WeChat for the phone number.',
  ),
  STATUS_LIST_TTL_SECONDS: seconds(1, 3600)
    .default(30)
    .describe('How often verifiers fetch the status lists: an ended session is refused after this and 5 seconds.'),
  AUDIT_RETENTION_MONTHS: z.coerce
    .number()
    .int()
    .min(1)
    .max(120)
    .default(12)
    .describe('How long audit events are kept.'),
  SHUTDOWN_DELAY_SECONDS: seconds(0, 60)
    .default(2)
    .describe('How long, after SIGTERM, new requests are still served while proxies notice; then the listeners close.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'Collector of OpenTelemetry traces (OTLP over HTTP); `/v1/traces` is added. Unset: tracing is not even loaded.',
    ),
  OTEL_SERVICE_NAME: z.string().min(1).default('auth-gateway').describe('`service.name` of the traces.'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1).describe('The share of traces that is kept.'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('JSON lines on standard output.'),
})

type Environment = z.output<typeof environmentSchema>

/** What the process runs on; durations carry their unit in the name. */
export type Config = {
  issuer: string
  audience: string[]
  databaseUrl: string
  migrationDatabaseUrl: string
  databasePoolMax: number
  redisUrl: string
  encryptionKeys: EncryptionKey[]
  apps: AppConfig[]
  wechatApiBase: string
  upstreamMaxConcurrency: number
  platformApiBases: Partial<Record<SisterName, string>>
  publicListener: { host: string; port: number }
  internalListener: { host: string; port: number }
  adminTokens: AdminToken[]
  accessTokenTtlSeconds: number
  refreshTokenTtlSeconds: number
  sessionTtlSeconds: number
  refreshReuseIntervalSeconds: number
  sessionKeyTtlSeconds: number
  signingAlgorithm: SigningAlgorithm
  accessTokenType: 'JWT' | 'at+jwt'
  signingKeyRotationSeconds: number
  signingKeyPublishAheadSeconds: number
  jwksMaxAgeSeconds: number
  accessTokenClaims: OptionalClaim[]
  trustedProxyHops: number
  rateLimit: boolean
  rateLimits: {
    loginPerAddress: RateLimitRule
    loginPerOpenid: RateLimitRule
    refreshPerAddress: RateLimitRule
    paidPerUser: RateLimitRule
  }
  statusListTtlSeconds: number
  auditRetentionMonths: number
  shutdownDelaySeconds: number
  /** Undefined: tracing is off and not loaded. */
  tracing: { endpoint: string; serviceName: string; ratio: number } | undefined
  logLevel: string
}

/** All that is wrong with the environment, by variable; never a value. */
export class ConfigError extends Error {
  readonly problems: string[]
  constructor(problems: string[]) {
    super(`The configuration has ${problems.length} problem(s):\n${problems.map((line) => `  ${line}`).join('\n')}`)
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** Reads and checks the environment; throws ConfigError with every problem at once. */
export function loadConfig(environment: Record<string, string | undefined> = process.env): Config {
  const problems: string[] = []
  const values = readVariables(environment, problems)
  const parsed = environmentSchema.safeParse(values)
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const name = String(issue.path[0])
      if (problems.some((line) => line.startsWith(`${name}:`))) continue
      problems.push(`${name}: ${values[name] === undefined ? 'is required' : issue.message}`)
    }
  }
  const shape = (parsed.data ?? {}) as Partial<Environment>
  problems.push(...crossChecks(shape, values))
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems)
  return toConfig(parsed.data)
}

/** The direct database URL, for `npm run migrate`, which is given nothing else. Throws ConfigError. */
export function loadMigrationUrl(environment: Record<string, string | undefined> = process.env): string {
  const problems: string[] = []
  const values = readVariables(environment, problems)
  const { DATABASE_URL, MIGRATION_DATABASE_URL } = environmentSchema.shape
  const url = values.MIGRATION_DATABASE_URL ?? values.DATABASE_URL
  const parsed = (values.MIGRATION_DATABASE_URL ? MIGRATION_DATABASE_URL : DATABASE_URL).safeParse(url)
  const own = problems.filter((line) => /^(MIGRATION_)?DATABASE_URL:/.test(line))
  if (!parsed.success && own.length === 0)
    own.push(`DATABASE_URL: ${url === undefined ? 'is required' : 'must start with postgres://'}`)
  if (own.length > 0) throw new ConfigError(own)
  return parsed.data ?? ''
}

/** Takes each variable, or the content of the file named by its `_FILE` form; an empty one counts as unset. */
function readVariables(environment: Record<string, string | undefined>, problems: string[]): Record<string, string> {
  const values: Record<string, string> = {}
  for (const name of Object.keys(environmentSchema.shape)) {
    const value = environment[name]
    const path = environment[`${name}_FILE`]
    if (value && path) problems.push(`${name}: is given both directly and by ${name}_FILE`)
    else if (path) {
      try {
        const content = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
        if (content === '') problems.push(`${name}: the file of ${name}_FILE is empty`)
        else values[name] = content
      } catch {
        problems.push(`${name}: the file of ${name}_FILE cannot be read`)
      }
    } else if (value) values[name] = value
  }
  return values
}

/** Rules between variables. A variable that failed on its own is skipped here. */
function crossChecks(env: Partial<Environment>, values: Record<string, string>): string[] {
  const problems: string[] = []
  if (values.APPS !== undefined && values.WECHAT_APPID !== undefined) {
    problems.push('WECHAT_APPID: cannot be combined with APPS; put the app into APPS')
  } else if (values.APPS === undefined) {
    for (const name of ['WECHAT_APPID', 'WECHAT_SECRET'] as const) {
      if (values[name] === undefined) problems.push(`${name}: is required (or APPS, the form for several apps)`)
    }
  }
  const identities = (env.APPS ?? []).map((app) => `${app.platform}/${app.appid}`)
  const twice = identities.find((identity, index) => identities.indexOf(identity) !== index)
  if (twice) problems.push(`APPS: ${twice} is there twice`)
  const {
    SIGNING_KEY_ROTATION_SECONDS: rotation,
    SIGNING_KEY_PUBLISH_AHEAD_SECONDS: ahead,
    JWKS_MAX_AGE_SECONDS: maxAge,
  } = env
  if (rotation !== undefined && ahead !== undefined && rotation <= ahead) {
    problems.push('SIGNING_KEY_ROTATION_SECONDS: must be greater than SIGNING_KEY_PUBLISH_AHEAD_SECONDS')
  }
  if (ahead !== undefined && maxAge !== undefined && ahead < maxAge) {
    problems.push('SIGNING_KEY_PUBLISH_AHEAD_SECONDS: must be at least JWKS_MAX_AGE_SECONDS')
  }
  return problems
}

function toConfig(env: Environment): Config {
  const issuer = env.ISSUER.replace(/\/+$/, '')
  const single = { platform: 'wechat', appid: env.WECHAT_APPID ?? '', secret: env.WECHAT_SECRET ?? '' } as const
  return {
    issuer,
    audience: env.AUDIENCE && env.AUDIENCE.length > 0 ? env.AUDIENCE : [issuer],
    databaseUrl: env.DATABASE_URL,
    migrationDatabaseUrl: env.MIGRATION_DATABASE_URL ?? env.DATABASE_URL,
    databasePoolMax: env.DATABASE_POOL_MAX,
    redisUrl: env.REDIS_URL,
    encryptionKeys: env.ENCRYPTION_KEYS,
    apps: env.APPS ?? [single],
    wechatApiBase: env.WECHAT_API_BASE.replace(/\/+$/, ''),
    upstreamMaxConcurrency: env.UPSTREAM_MAX_CONCURRENCY,
    platformApiBases: env.PLATFORM_API_BASES ?? {},
    publicListener: { host: env.HOST, port: env.PORT },
    internalListener: { host: env.ADMIN_HOST, port: env.ADMIN_PORT },
    adminTokens: env.ADMIN_TOKENS,
    accessTokenTtlSeconds: env.ACCESS_TOKEN_TTL_SECONDS,
    refreshTokenTtlSeconds: env.REFRESH_TOKEN_TTL_SECONDS,
    sessionTtlSeconds: env.SESSION_TTL_SECONDS,
    refreshReuseIntervalSeconds: env.REFRESH_REUSE_INTERVAL_SECONDS,
    sessionKeyTtlSeconds: env.SESSION_KEY_TTL_SECONDS,
    signingAlgorithm: env.SIGNING_ALG,
    accessTokenType: env.ACCESS_TOKEN_TYP,
    signingKeyRotationSeconds: env.SIGNING_KEY_ROTATION_SECONDS,
    signingKeyPublishAheadSeconds: env.SIGNING_KEY_PUBLISH_AHEAD_SECONDS,
    jwksMaxAgeSeconds: env.JWKS_MAX_AGE_SECONDS,
    accessTokenClaims: env.ACCESS_TOKEN_CLAIMS,
    trustedProxyHops: env.TRUSTED_PROXY_HOPS,
    rateLimit: env.RATE_LIMIT,
    rateLimits: {
      loginPerAddress: env.RATE_LIMIT_LOGIN_PER_ADDRESS,
      loginPerOpenid: env.RATE_LIMIT_LOGIN_PER_OPENID,
      refreshPerAddress: env.RATE_LIMIT_REFRESH_PER_ADDRESS,
      paidPerUser: env.RATE_LIMIT_PAID_PER_USER,
    },
    statusListTtlSeconds: env.STATUS_LIST_TTL_SECONDS,
    auditRetentionMonths: env.AUDIT_RETENTION_MONTHS,
    shutdownDelaySeconds: env.SHUTDOWN_DELAY_SECONDS,
    tracing: env.OTEL_EXPORTER_OTLP_ENDPOINT
      ? {
          endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT,
          serviceName: env.OTEL_SERVICE_NAME,
          ratio: env.OTEL_TRACES_SAMPLER_ARG,
        }
      : undefined,
    logLevel: env.LOG_LEVEL,
  }
}
