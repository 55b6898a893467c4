/** The environment, read once: one schema for every variable, one report of all problems. The only reader of process.env. */
import { avatarStoreOf, avatarStoreProblems } from './avatar-store.ts'
import { consoleOf, consoleProblems } from './console.ts'
import { type Environment, environmentSchema, variableNames } from './environment.ts'
import type { AppConfig } from './formats.ts'
import { misspelt } from './misspelt.ts'
import { pushProblems } from './push.ts'
import { readVariables } from './values.ts'

export type { AdminScope, AdminToken } from './admin-tokens.ts'
export type {
  AppConfig,
  OptionalClaim,
  OtherPlatform,
  PlatformName,
  RateLimitRule,
  SigningAlgorithm,
  WechatOauthName,
} from './formats.ts'
export { isWechatOauth, otherPlatforms, wechatOauthNames } from './formats.ts'

/** What the process runs on; durations carry their unit in the name. */
export type Config = ReturnType<typeof toConfig>

const READ = 'docs/configuration.md says what each variable means.'

/** All that is wrong with the environment, by variable; never a value. */
export class ConfigError extends Error {
  readonly problems: string[]
  constructor(problems: string[]) {
    const lines = problems.map((line) => `  ${line}`)
    super([`The configuration has ${problems.length} problem(s):`, ...lines, READ].join('\n'))
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
  if (problems.length > 0) throw new ConfigError([...problems, ...misspeltVariables(environment)])
  return toConfig(good as Environment)
}

/** A warning for each variable that is not known and looks like one that is; never a value. */
export const misspeltVariables = (environment: Record<string, string | undefined> = process.env): string[] =>
  misspelt(environment).map(({ name, meant }) => `${name}: is not known and not read; did you mean ${meant}?`)

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
  for (const [name, other] of [
    ['WECHAT_APPID', 'WECHAT_SECRET'],
    ['WECHAT_SECRET', 'WECHAT_APPID'],
  ] as const) {
    if (unread.has(name) || unread.has('APPS') || values[name] !== undefined) continue
    if (values[other] !== undefined) problems.push(`${name}: is required beside ${other}`)
    else if (values.APPS === undefined) problems.push(`${name}: is required (or APPS, the form for several apps)`)
  }
  const isMissing = (name: string) => values[name] === undefined && !unread.has(name)
  problems.push(...pushProblems(env, isMissing), ...avatarStoreProblems(env, isMissing), ...consoleProblems(isMissing))
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

function toConfig(env: Environment) {
  const issuer = env.ISSUER.replace(/\/+$/, '')
  return {
    issuer,
    audience: env.AUDIENCE && env.AUDIENCE.length > 0 ? env.AUDIENCE : [issuer],
    databaseUrl: env.DATABASE_URL,
    migrationDatabaseUrl: env.MIGRATION_DATABASE_URL ?? env.DATABASE_URL,
    databasePoolMax: env.DATABASE_POOL_MAX,
    databasePreparedStatements: env.DATABASE_PREPARED_STATEMENTS,
    redisUrl: env.REDIS_URL,
    encryptionKeys: env.ENCRYPTION_KEYS,
    apps: appsOf(env),
    clients: env.CLIENTS ?? [],
    deviceConfirmPage: env.DEVICE_CONFIRM_PAGE,
    webOrigins: env.WEB_ORIGINS ?? [],
    eventTargets: env.EVENT_TARGETS ?? [],
    eventRetentionDays: env.EVENT_RETENTION_DAYS,
    erasureOverdueHours: env.ERASURE_OVERDUE_HOURS,
    wechatApiBase: env.WECHAT_API_BASE.replace(/\/+$/, ''),
    wechatOpenBase: env.WECHAT_OPEN_BASE.replace(/\/+$/, ''),
    upstreamMaxConcurrency: env.UPSTREAM_MAX_CONCURRENCY,
    platformApiBases: env.PLATFORM_API_BASES ?? {},
    publicListener: { host: env.HOST, port: env.PORT },
    internalListener: { host: env.ADMIN_HOST, port: env.ADMIN_PORT },
    adminTokens: env.ADMIN_TOKENS,
    console: consoleOf(env),
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
    clockSkewLimitSeconds: env.CLOCK_SKEW_LIMIT_SECONDS,
    jwksMaxAgeSeconds: env.JWKS_MAX_AGE_SECONDS,
    accessTokenClaims: env.ACCESS_TOKEN_CLAIMS,
    trustedProxyHops: env.TRUSTED_PROXY_HOPS,
    textCheck: env.TEXT_CHECK,
    textCheckUnavailable: env.TEXT_CHECK_UNAVAILABLE,
    phoneShared: env.PHONE_SHARED,
    phoneDailyLimit: env.PHONE_DAILY_LIMIT,
    avatarStore: avatarStoreOf(env),
    rateLimit: env.RATE_LIMIT,
    rateLimits: {
      loginPerAddress: env.RATE_LIMIT_LOGIN_PER_ADDRESS,
      loginPerOpenid: env.RATE_LIMIT_LOGIN_PER_OPENID,
      refreshPerAddress: env.RATE_LIMIT_REFRESH_PER_ADDRESS,
      readsPerUser: env.RATE_LIMIT_READS_PER_USER,
      changesPerUser: env.RATE_LIMIT_CHANGES_PER_USER,
      exportsPerUser: env.RATE_LIMIT_EXPORTS_PER_USER,
      avatarsPerUser: env.RATE_LIMIT_AVATARS_PER_USER,
      signPerUser: env.RATE_LIMIT_SIGN_PER_USER,
      receiptsPerAddress: env.RATE_LIMIT_RECEIPTS_PER_ADDRESS,
      upstreamPerUser: env.RATE_LIMIT_UPSTREAM_PER_USER,
      upstreamPerAddress: env.RATE_LIMIT_UPSTREAM_PER_ADDRESS,
      badPushesPerAddress: env.RATE_LIMIT_BAD_PUSHES_PER_ADDRESS,
    },
    statusListTtlSeconds: env.STATUS_LIST_TTL_SECONDS,
    auditRetentionMonths: env.AUDIT_RETENTION_MONTHS,
    shutdownDelaySeconds: env.SHUTDOWN_DELAY_SECONDS,
    /** Undefined: tracing is off and not loaded. */
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

/** The apps of APPS, and that of the short form unless APPS has it too. */
function appsOf({ APPS = [], WECHAT_APPID: appid, WECHAT_SECRET: secret, ...env }: Environment): AppConfig[] {
  if (appid === undefined || secret === undefined) return APPS
  const known = APPS.some((app) => app.platform === 'wechat' && app.appid === appid)
  const { WECHAT_PUSH_TOKEN: token, WECHAT_PUSH_AES_KEY: encodingAesKey } = env
  const push = token !== undefined && encodingAesKey !== undefined ? { push: { token, encodingAesKey } } : {}
  if (known) return APPS.map((app) => (app.platform === 'wechat' && app.appid === appid ? { ...app, ...push } : app))
  return [...APPS, { platform: 'wechat', appid, secret, ...push }]
}
