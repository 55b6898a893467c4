/** Every variable of the environment: its format, its default and what it means. */
import { z } from 'zod'
import { adminTokens } from './admin-tokens.ts'
import { avatarStoreVariables } from './avatar-store.ts'
import { clients, webOrigins } from './clients.ts'
import { consoleVariables } from './console.ts'
import { eventTargets } from './event-targets.ts'
import {
  appid,
  apps,
  baseUrl,
  claims,
  encryptionKeys,
  isSecretSafe,
  list,
  onOff,
  platformApiBases,
  port,
  rateLimitRule,
  redisUrl,
  seconds,
  signingAlgorithms,
  storeUrl,
} from './formats.ts'
import { encodingAesKey, pushToken } from './push.ts'

/** Every variable, in the order of the documentation. A description is what docs/configuration.md prints. */
export const environmentSchema = z.object({
  ISSUER: baseUrl
    .refine((url) => !url.endsWith('/'), 'must not end in a slash: services compare it as text')
    .describe('The `iss` of every token and the base of all published URLs; https, or http on a loopback host.'),
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
  WECHAT_SECRET: z
    .string()
    .trim()
    .regex(/^\S+$/, 'must not hold blanks or line breaks')
    .optional()
    .describe('The one-app short form: the AppSecret.'),
  WECHAT_PUSH_TOKEN: pushToken
    .optional()
    .describe(
      "The one-app short form: the Token of WeChat's message push ([privacy](privacy.md)). Unset: not received.",
    ),
  WECHAT_PUSH_AES_KEY: encodingAesKey.optional().describe('The one-app short form: its EncodingAESKey.'),
  CLIENTS: clients
    .optional()
    .describe(
      'Devices and web pages that are logged in to, as a JSON array of `id`, `name`, `kind` (`device`, `web`), `audience`.',
    ),
  DEVICE_CONFIRM_PAGE: z
    .string()
    .regex(/^[\w-]+(\/[\w-]+)*$/, 'must be a path of the mini program without a leading slash')
    .default('pages/device/device')
    .describe(
      'The page of the mini program that confirms a device: opened by the picture, with the user code as scene.',
    ),
  WEB_ORIGINS: webOrigins
    .optional()
    .describe('Origins of web pages that may call the public API from a browser, exact and comma separated.'),
  EVENT_TARGETS: eventTargets
    .optional()
    .describe(
      'Services that are told what happened to users and sessions ([events](events.md)), as a JSON array of `id`, `audience`, `url`, `token`, `acknowledges`, `events`.',
    ),
  EVENT_RETENTION_DAYS: z.coerce
    .number()
    .int()
    .min(1)
    .max(365)
    .default(30)
    .describe('How long events and their deliveries are kept, for replays.'),
  ERASURE_OVERDUE_HOURS: z.coerce
    .number()
    .int()
    .min(1)
    .max(360)
    .default(24)
    .describe('When an erasure that is not done everywhere raises an alert.'),
  APPS: apps.optional().describe('Several apps, as a JSON array.'),
  WECHAT_API_BASE: z
    .url({ protocol: /^https?$/ })
    .refine(
      isSecretSafe,
      'must be https; http only for a loopback host or a name without dots in the same network: the AppSecret travels there',
    )
    .default('https://api.weixin.qq.com')
    .describe("WeChat's server API."),
  WECHAT_OPEN_BASE: baseUrl
    .default('https://open.weixin.qq.com')
    .describe("WeChat's own pages, where a browser is sent to log in (WeChat OAuth)."),
  UPSTREAM_MAX_CONCURRENCY: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(256)
    .describe('Connections to each platform; twice as many calls are admitted, the rest is shed.'),
  PLATFORM_API_BASES: platformApiBases
    .optional()
    .describe('Server APIs of the other platforms, where they are not the public ones: JSON, platform to URL.'),
  HOST: z.string().default('0.0.0.0').describe('Address of the public listener.'),
  PORT: port.default(8080).describe('Port of the public listener.'),
  ADMIN_HOST: z.string().default('0.0.0.0').describe('Address of the internal listener.'),
  ADMIN_PORT: port.default(9090).describe('Port of the internal listener; never expose it to the internet.'),
  ADMIN_TOKENS: adminTokens
    .default([])
    .describe(
      '`name:scope+scope:secret`, comma separated ([scopes](admin.md)). A scope may be narrowed: `introspect@AUDIENCE`. Unset: the API is off.',
    ),
  ...consoleVariables,
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
  CLOCK_SKEW_LIMIT_SECONDS: seconds(0)
    .default(60)
    .describe(
      "How far this process's clock may be from the database's; beyond it the replica is not ready and signs no tokens. 0: not checked.",
    ),
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
    .describe('What to do with a text when the text check is unavailable.'),
  PHONE_SHARED: onOff.default(false).describe('Whether one phone number may belong to several users.'),
  PHONE_DAILY_LIMIT: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(5)
    .describe(
      'Phone codes of one user in 24 hours, from the first one on: each call costs money, so `RATE_LIMIT=off` does not lift this limit.',
    ),
  ...avatarStoreVariables,
  RATE_LIMIT: onOff.default(true).describe('`off` for tests and benchmarks.'),
  RATE_LIMIT_LOGIN_PER_ADDRESS: rateLimitRule('1200/60').describe(
    'Logins per client address, as points/seconds; generous, since mobile carriers put many people behind one address.',
  ),
  RATE_LIMIT_LOGIN_PER_OPENID: rateLimitRule('30/60').describe('Logins of one person.'),
  RATE_LIMIT_REFRESH_PER_ADDRESS: rateLimitRule('2400/60').describe(
    'Refreshes and logouts per client address; generous for the same reason.',
  ),
  RATE_LIMIT_READS_PER_USER: rateLimitRule('600/60').describe(
    'Reads of one user: every GET with an access token, refused before a store is asked.',
  ),
  RATE_LIMIT_CHANGES_PER_USER: rateLimitRule('60/60').describe('Changes of one user: every other request with one.'),
  RATE_LIMIT_EXPORTS_PER_USER: rateLimitRule('10/3600').describe('Exports of one user, of which one runs at a time.'),
  RATE_LIMIT_AVATARS_PER_USER: rateLimitRule('20/3600').describe('Pictures that one user uploads.'),
  RATE_LIMIT_SIGN_PER_USER: rateLimitRule('60/60').describe('User-state signatures made for one user.'),
  RATE_LIMIT_RECEIPTS_PER_ADDRESS: rateLimitRule('60/60').describe(
    'Questions how far an erasure is, per client address.',
  ),
  RATE_LIMIT_UPSTREAM_PER_USER: rateLimitRule('30/3600').describe(
    'Calls to a platform that one person causes after the login: text checks, phone codes, proofs for an erasure.',
  ),
  RATE_LIMIT_UPSTREAM_PER_ADDRESS: rateLimitRule('600/60').describe('The same per client address.'),
  RATE_LIMIT_BAD_PUSHES_PER_ADDRESS: rateLimitRule('30/60').describe(
    'Pushes with a wrong signature per client address; a good one is never counted.',
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

export const variableNames = Object.keys(environmentSchema.shape)
export type Environment = z.output<typeof environmentSchema>
