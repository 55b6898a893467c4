/** The environment, read once: one schema for every variable, one report of all problems. The only reader of process.env. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import {
  type AdminToken,
  type AppConfig,
  adminTokens,
  appid,
  apps,
  baseUrl,
  claims,
  encryptionKeys,
  list,
  type OptionalClaim,
  onOff,
  platformApiBases,
  port,
  type RateLimitRule,
  rateLimitRule,
  redisUrl,
  type SigningAlgorithm,
  type SisterName,
  seconds,
  signingAlgorithms,
  storeUrl,
} from './config-formats.ts'
import type { EncryptionKey } from './crypto/seal.ts'

export type {
  AdminScope,
  AdminToken,
  AppConfig,
  OptionalClaim,
  PlatformName,
  RateLimitRule,
  SigningAlgorithm,
  SisterName,
} from './config-formats.ts'
export { sisterNames } from './config-formats.ts'

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
  DATABASE_PREPARED_STATEMENTS: onOff
    .default(true)
    .describe('`off` behind a transaction pooler that knows no prepared statements, such as PgBouncer before 1.21.'),
  REDIS_URL: redisUrl.describe(
    'Redis: `redis://host`, `redis+sentinel://host:port,host:port/master-name` or `redis+cluster://host:port,host:port`; `rediss` for TLS.',
  ),
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
  SESSION_LIMIT: z.coerce
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(20)
    .describe('Live sessions per user and app; one more login ends the least recently used.'),
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
  databasePreparedStatements: boolean
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
  sessionLimit: number
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
  const unread = new Set(problems.map((line) => line.split(':')[0]))
  const good: Record<string, unknown> = {}
  // One by one, so that a bad variable does not hide the rules between the good ones.
  for (const [name, schema] of Object.entries(environmentSchema.shape)) {
    if (unread.has(name)) continue
    const parsed = schema.safeParse(values[name])
    if (parsed.success) good[name] = parsed.data
    else if (values[name] === undefined) problems.push(`${name}: is required`)
    else problems.push(...parsed.error.issues.map((issue) => `${name}: ${issue.message}`))
  }
  problems.push(...crossChecks(good as Partial<Environment>, values, unread))
  if (problems.length > 0) throw new ConfigError(problems)
  return toConfig(good as Environment)
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
function crossChecks(
  env: Partial<Environment>,
  values: Record<string, string>,
  unread: ReadonlySet<string | undefined>,
): string[] {
  const problems: string[] = []
  for (const [name, other] of [
    ['WECHAT_APPID', 'WECHAT_SECRET'],
    ['WECHAT_SECRET', 'WECHAT_APPID'],
  ] as const) {
    if (unread.has(name) || unread.has('APPS') || values[name] !== undefined) continue
    if (values[other] !== undefined) problems.push(`${name}: is required beside ${other}`)
    else if (values.APPS === undefined) problems.push(`${name}: is required (or APPS, the form for several apps)`)
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
    databasePreparedStatements: env.DATABASE_PREPARED_STATEMENTS,
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
    sessionLimit: env.SESSION_LIMIT,
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
