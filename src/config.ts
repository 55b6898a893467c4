/** The environment, read once: one schema for every variable, one report of all problems. The only reader of process.env. */
import { z } from 'zod'
import {
  type AvatarStoreConfig,
  avatarStoreOf,
  avatarStoreProblems,
  avatarStoreVariables,
} from './config-avatar-store.ts'
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
  port,
  type SigningAlgorithm,
  seconds,
  signingAlgorithms,
  storeUrl,
} from './config-formats.ts'
import { readVariables } from './config-values.ts'
import type { EncryptionKey } from './crypto/seal.ts'

export type {
  AdminScope,
  AdminToken,
  AppConfig,
  OptionalClaim,
  PlatformName,
  SigningAlgorithm,
} from './config-formats.ts'

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
  TEXT_CHECK: onOff.default(false).describe("Whether texts of a profile go through the platform's text check."),
  TEXT_CHECK_UNAVAILABLE: z
    .enum(['allow', 'refuse'])
    .default('allow')
    .describe('What becomes of a text while the text check does not answer.'),
  PHONE_SHARED: onOff.default(false).describe('Whether one phone number may belong to several users.'),
  PHONE_DAILY_LIMIT: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(5)
    .describe('How often a day a user may redeem a phone code: each costs money.'),
  ...avatarStoreVariables,
  RATE_LIMIT: onOff.default(true).describe('`off` for tests and benchmarks.'),
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
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('JSON lines on standard output.'),
})

const variableNames = Object.keys(environmentSchema.shape)
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
  textCheck: boolean
  textCheckUnavailable: 'allow' | 'refuse'
  phoneShared: boolean
  phoneDailyLimit: number
  avatarStore: AvatarStoreConfig | undefined
  rateLimit: boolean
  statusListTtlSeconds: number
  auditRetentionMonths: number
  shutdownDelaySeconds: number
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
  const values = readVariables(variableNames, environment, problems)
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
  const values = readVariables(variableNames, environment, problems)
  const { DATABASE_URL, MIGRATION_DATABASE_URL } = environmentSchema.shape
  const url = values.MIGRATION_DATABASE_URL ?? values.DATABASE_URL
  const parsed = (values.MIGRATION_DATABASE_URL ? MIGRATION_DATABASE_URL : DATABASE_URL).safeParse(url)
  const own = problems.filter((line) => /^(MIGRATION_)?DATABASE_URL:/.test(line))
  if (!parsed.success && own.length === 0)
    own.push(`DATABASE_URL: ${url === undefined ? 'is required' : 'must start with postgres://'}`)
  if (own.length > 0) throw new ConfigError(own)
  return parsed.data ?? ''
}

/** Rules between variables. A variable that failed on its own is skipped here. */
function crossChecks(
  env: Partial<Environment>,
  values: Record<string, string>,
  unread: ReadonlySet<string | undefined>,
): string[] {
  const problems: string[] = []
  for (const name of ['WECHAT_APPID', 'WECHAT_SECRET'] as const) {
    if (unread.has(name) || unread.has('APPS')) continue
    if (values.APPS !== undefined && values[name] !== undefined)
      problems.push(`${name}: cannot be combined with APPS; put the app into APPS`)
    if (values.APPS === undefined && values[name] === undefined)
      problems.push(`${name}: is required (or APPS, the form for several apps)`)
  }
  problems.push(...avatarStoreProblems(env, (name) => values[name] === undefined && !unread.has(name)))
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
    textCheck: env.TEXT_CHECK,
    textCheckUnavailable: env.TEXT_CHECK_UNAVAILABLE,
    phoneShared: env.PHONE_SHARED,
    phoneDailyLimit: env.PHONE_DAILY_LIMIT,
    avatarStore: avatarStoreOf(env),
    rateLimit: env.RATE_LIMIT,
    statusListTtlSeconds: env.STATUS_LIST_TTL_SECONDS,
    auditRetentionMonths: env.AUDIT_RETENTION_MONTHS,
    shutdownDelaySeconds: env.SHUTDOWN_DELAY_SECONDS,
    logLevel: env.LOG_LEVEL,
  }
}
