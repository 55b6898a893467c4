/** The environment: every variable, every way to get one wrong, and what is said about it. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { type Config, ConfigError, loadConfig, loadMigrationUrl } from './config.ts'
import { environmentSchema } from './environment.ts'

type Environment = Record<string, string | undefined>

const KEY = Buffer.alloc(32, 7).toString('base64')
const OTHER_KEY = Buffer.alloc(32, 8).toString('base64')
const least = {
  ISSUER: 'https://auth.example.com',
  DATABASE_URL: 'postgres://db.example.com/auth',
  REDIS_URL: 'redis://cache.example.com',
  ENCRYPTION_KEYS: `k1:${KEY}`,
  WECHAT_APPID: 'wx1',
  WECHAT_SECRET: 'app-secret',
} satisfies Environment
const completeOidc = {
  CONSOLE_ORIGIN: 'https://console.example.com',
  CONSOLE_OIDC_ISSUER: 'https://login.example.com',
  CONSOLE_OIDC_CLIENT_ID: 'console',
  CONSOLE_OIDC_CLIENT_SECRET: 'console-secret',
} satisfies Environment
const bare = { ...least, WECHAT_APPID: undefined, WECHAT_SECRET: undefined }

function problems(environment: Environment): string[] {
  try {
    loadConfig(environment)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}
const names = (environment: Environment) => problems(environment).map((line) => line.split(':')[0])

test('six variables are enough, and the rest is as documented', () => {
  expect(loadConfig(least)).toMatchObject({
    issuer: 'https://auth.example.com',
    audience: ['https://auth.example.com'],
    migrationDatabaseUrl: least.DATABASE_URL,
    databasePoolMax: 10,
    apps: [{ platform: 'wechat', appid: 'wx1', secret: 'app-secret' }],
    wechatApiBase: 'https://api.weixin.qq.com',
    publicListener: { host: '0.0.0.0', port: 8080 },
    internalListener: { host: '0.0.0.0', port: 9090 },
    adminTokens: [],
    accessTokenTtlSeconds: 900,
    refreshTokenTtlSeconds: 2_592_000,
    sessionTtlSeconds: 15_552_000,
    refreshReuseIntervalSeconds: 30,
    sessionKeyTtlSeconds: 259_200,
    signingAlgorithm: 'ES256',
    accessTokenType: 'JWT',
    signingKeyRotationSeconds: 2_592_000,
    signingKeyPublishAheadSeconds: 86_400,
    clockSkewLimitSeconds: 60,
    jwksMaxAgeSeconds: 300,
    accessTokenClaims: [],
    trustedProxyHops: 0,
    rateLimit: true,
    logLevel: 'info',
  } satisfies Partial<Config>)
})

describe('a good value is taken', () => {
  test.each<[string, string, Partial<Config>]>([
    ['ISSUER', 'http://localhost:8080', { issuer: 'http://localhost:8080' }],
    ['ISSUER', 'http://127.0.0.1', { issuer: 'http://127.0.0.1' }],
    ['ISSUER', 'http://[::1]:9', { issuer: 'http://[::1]:9' }],
    ['ISSUER', 'https://example.com/auth', { issuer: 'https://example.com/auth' }],
    ['AUDIENCE', 'https://a, https://b,', { audience: ['https://a', 'https://b'] }],
    ['DATABASE_URL', 'postgresql:///auth?host=/run', { databaseUrl: 'postgresql:///auth?host=/run' }],
    ['MIGRATION_DATABASE_URL', 'postgres://direct/auth', { migrationDatabaseUrl: 'postgres://direct/auth' }],
    ['DATABASE_POOL_MAX', '200', { databasePoolMax: 200 }],
    ['DATABASE_PREPARED_STATEMENTS', 'off', { databasePreparedStatements: false }],
    ['REDIS_URL', 'rediss://u:p@cache', { redisUrl: 'rediss://u:p@cache' }],
    ['WECHAT_API_BASE', 'http://127.0.0.1:8081/', { wechatApiBase: 'http://127.0.0.1:8081' }],
    ['WECHAT_OPEN_BASE', 'http://127.0.0.1:8081/', { wechatOpenBase: 'http://127.0.0.1:8081' }],
    ['HOST', '::', { publicListener: { host: '::', port: 8080 } }],
    ['PORT', '0', { publicListener: { host: '0.0.0.0', port: 0 } }],
    ['ADMIN_HOST', '127.0.0.1', { internalListener: { host: '127.0.0.1', port: 9090 } }],
    ['ADMIN_PORT', '65535', { internalListener: { host: '0.0.0.0', port: 65_535 } }],
    ['ACCESS_TOKEN_TTL_SECONDS', '1', { accessTokenTtlSeconds: 1 }],
    ['REFRESH_TOKEN_TTL_SECONDS', '60', { refreshTokenTtlSeconds: 60 }],
    ['SESSION_TTL_SECONDS', '60', { sessionTtlSeconds: 60 }],
    ['REFRESH_REUSE_INTERVAL_SECONDS', '0', { refreshReuseIntervalSeconds: 0 }],
    ['SESSION_KEY_TTL_SECONDS', '5', { sessionKeyTtlSeconds: 5 }],
    ['SIGNING_ALG', 'EdDSA', { signingAlgorithm: 'EdDSA' }],
    ['ACCESS_TOKEN_TYP', 'at+jwt', { accessTokenType: 'at+jwt' }],
    ['SIGNING_KEY_ROTATION_SECONDS', '86401', { signingKeyRotationSeconds: 86_401 }],
    ['SIGNING_KEY_PUBLISH_AHEAD_SECONDS', '300', { signingKeyPublishAheadSeconds: 300 }],
    ['CLOCK_SKEW_LIMIT_SECONDS', '0', { clockSkewLimitSeconds: 0 }],
    ['JWKS_MAX_AGE_SECONDS', '86400', { jwksMaxAgeSeconds: 86_400 }],
    ['ACCESS_TOKEN_CLAIMS', 'openid,platform', { accessTokenClaims: ['openid', 'platform'] }],
    ['TRUSTED_PROXY_HOPS', '2', { trustedProxyHops: 2 }],
    ['TEXT_CHECK', 'on', { textCheck: true }],
    ['TEXT_CHECK_UNAVAILABLE', 'refuse', { textCheckUnavailable: 'refuse' }],
    ['PHONE_SHARED', 'on', { phoneShared: true }],
    ['PHONE_DAILY_LIMIT', '2', { phoneDailyLimit: 2 }],
    ['RATE_LIMIT', 'off', { rateLimit: false }],
    ['SHUTDOWN_DELAY_SECONDS', '0', { shutdownDelaySeconds: 0 }],
    ['LOG_LEVEL', 'debug', { logLevel: 'debug' }],
    [
      'ADMIN_TOKENS',
      `ops:admin+introspect:${'s'.repeat(32)}`,
      {
        adminTokens: [
          {
            name: 'ops',
            grants: [
              { scope: 'admin', only: undefined },
              { scope: 'introspect', only: undefined },
            ],
            secret: 's'.repeat(32),
          },
        ],
      },
    ],
  ])('%s=%s', (name, value, expected) => {
    expect(loadConfig({ ...least, [name]: value })).toMatchObject(expected)
  })

  test('the first encryption key seals and the others follow', () => {
    const { encryptionKeys } = loadConfig({ ...least, ENCRYPTION_KEYS: `new:${OTHER_KEY}, old:${KEY}` })
    expect(encryptionKeys.map((key) => key.id)).toEqual(['new', 'old'])
    expect(encryptionKeys[0]?.secret).toEqual(Buffer.alloc(32, 8))
  })

  test('several apps, each with its own rules', () => {
    const apps = [
      { platform: 'wechat', appid: 'wx1', secret: 's1', union: 'acme', audience: ['https://a'] },
      { appid: 'wx2', secret: 's2', accessTokenTtlSeconds: 60, claims: ['unionid'] },
    ]
    const config = loadConfig({ ...bare, APPS: JSON.stringify(apps) })
    expect(config.apps).toEqual([apps[0], { platform: 'wechat', ...apps[1] }])
  })
})

describe('a bad value is one problem under its name', () => {
  const app = { appid: 'wx1', secret: 's' }
  test.each<[string, string]>([
    ...[
      'auth.example.com',
      'http://auth.example.com',
      'http://localhost.example.com',
      'https:auth.example.com',
      'https://a?x=1',
      'https://a#b',
      'https://u:p@a',
      'https://a\\b',
      'ftp://a',
      ' https://a',
      'https://example.com/',
      'https://example.com/auth/',
    ].map((value): [string, string] => ['ISSUER', value]),
    ['DATABASE_URL', 'mysql://db/auth'],
    ['DATABASE_URL', 'postgres://db:not-a-port/auth'],
    ['MIGRATION_DATABASE_URL', 'db'],
    ['REDIS_URL', 'http://cache'],
    ['DATABASE_POOL_MAX', '0'],
    ['PORT', '65536'],
    ['ADMIN_PORT', 'web'],
    ['ACCESS_TOKEN_TTL_SECONDS', '0'],
    ['ACCESS_TOKEN_TTL_SECONDS', '1.5'],
    ['REFRESH_TOKEN_TTL_SECONDS', '-1'],
    ['SESSION_TTL_SECONDS', 'Infinity'],
    ['SESSION_KEY_TTL_SECONDS', '3 days'],
    ['SIGNING_ALG', 'HS256'],
    ['SIGNING_ALG', 'none'],
    ['ACCESS_TOKEN_TYP', 'jwt'],
    ['TRUSTED_PROXY_HOPS', '11'],
    ['PHONE_DAILY_LIMIT', '0'],
    ['TEXT_CHECK_UNAVAILABLE', 'on'],
    ['RATE_LIMIT', 'false'],
    ['LOG_LEVEL', 'loud'],
    ['WECHAT_APPID', 'wx 1'],
    ['WECHAT_API_BASE', 'file:///etc'],
    ['WECHAT_OPEN_BASE', 'http://open.example.com'],
    ['ACCESS_TOKEN_CLAIMS', 'session_key'],
    ['ENCRYPTION_KEYS', KEY],
    ['ENCRYPTION_KEYS', `k1:${Buffer.alloc(31).toString('base64')}`],
    ['ENCRYPTION_KEYS', `k1:${KEY},k1:${OTHER_KEY}`],
    ['ENCRYPTION_KEYS', ','],
    ['ADMIN_TOKENS', 'ops:admin:short'],
    ['ADMIN_TOKENS', `ops:root:${'s'.repeat(32)}`],
    ['ADMIN_TOKENS', `ops::${'s'.repeat(32)}`],
    ['ADMIN_TOKENS', `a:admin:${'s'.repeat(32)},a:admin:${'t'.repeat(32)}`],
  ])('%s=%s', (name, value) => {
    expect(names({ ...least, [name]: value })).toEqual([name])
  })

  test.each<[string, unknown]>([
    ['not JSON', '{'],
    ['no list', app],
    ['an empty list', []],
    ['an unknown platform', [{ ...app, platform: 'myspace' }]],
    ['an unknown member', [{ ...app, appsecret: 's' }]],
    ['no secret', [{ appid: 'wx1' }]],
    ['an app twice', [app, app]],
  ])('APPS with %s', (_what, value) => {
    expect(names({ ...bare, APPS: typeof value === 'string' ? value : JSON.stringify(value) })).toEqual(['APPS'])
  })
})

describe('all problems come at once', () => {
  test.each<[string, Environment, string[]]>([
    ['nothing is set', {}, ['ISSUER', 'DATABASE_URL', 'REDIS_URL', 'ENCRYPTION_KEYS', 'WECHAT_APPID', 'WECHAT_SECRET']],
    ['empty counts as unset', { ...least, ISSUER: '' }, ['ISSUER']],
    ['two apps are wrong', { ...bare, APPS: '[{"appid":"a"},{"appid":"b"}]' }, ['APPS', 'APPS']],
    [
      'a bad variable does not hide the rules between the good ones',
      { ...least, PORT: 'x', JWKS_MAX_AGE_SECONDS: '90000' },
      ['PORT', 'SIGNING_KEY_PUBLISH_AHEAD_SECONDS'],
    ],
    [
      'rotation and publish-ahead are equal',
      { ...least, SIGNING_KEY_ROTATION_SECONDS: '86400' },
      ['SIGNING_KEY_ROTATION_SECONDS'],
    ],
    ['half of the short form', { ...least, WECHAT_SECRET: undefined }, ['WECHAT_SECRET']],
  ])('when %s', (_what, environment, expected) => {
    expect(names(environment)).toEqual(expected)
  })
})

test('the app of the short form joins those of APPS, which go first and win', () => {
  const apps = (text: string) => loadConfig({ ...least, APPS: text }).apps.map(({ appid, secret }) => [appid, secret])
  const { WECHAT_APPID = '', WECHAT_SECRET = '' } = least
  expect(apps('[{"appid":"a","secret":"b"}]')).toEqual([
    ['a', 'b'],
    [WECHAT_APPID, WECHAT_SECRET],
  ])
  expect(apps(`[{"appid":"${WECHAT_APPID}","secret":"c"}]`)).toEqual([[WECHAT_APPID, 'c']])
})

describe('X_FILE', () => {
  const directory = mkdtempSync(join(tmpdir(), 'config-test-'))
  afterAll(() => rmSync(directory, { recursive: true }))
  const file = (content: string) => {
    const path = join(directory, `value-${content.length}`)
    writeFileSync(path, content)
    return path
  }
  const push = { WECHAT_PUSH_TOKEN: 'Token123', WECHAT_PUSH_AES_KEY: 'a'.repeat(43) }
  const valid: Environment = {
    ...least,
    APPS: '[{"appid":"a","secret":"b"}]',
    ADMIN_TOKENS: `a:admin:${'s'.repeat(32)}`,
    ...push,
  }
  const ordinary: Environment = {
    AUDIENCE: 'https://a',
    MIGRATION_DATABASE_URL: 'postgres://m/db',
    DATABASE_POOL_MAX: '3',
    DATABASE_PREPARED_STATEMENTS: 'off',
    HOST: '127.0.0.1',
    ADMIN_HOST: '127.0.0.1',
    SIGNING_ALG: 'RS256',
    ACCESS_TOKEN_TYP: 'at+jwt',
    ACCESS_TOKEN_CLAIMS: 'openid',
    TRUSTED_PROXY_HOPS: '1',
    TEXT_CHECK: 'on',
    TEXT_CHECK_UNAVAILABLE: 'refuse',
    PHONE_SHARED: 'on',
    AVATAR_STORE: 'file:///var/lib/avatars',
    RATE_LIMIT: 'off',
    LOG_LEVEL: 'warn',
    WECHAT_API_BASE: 'http://127.0.0.1:1',
    WECHAT_OPEN_BASE: 'http://127.0.0.1:1',
    SIGNING_KEY_ROTATION_SECONDS: '90000',
    SHUTDOWN_DELAY_SECONDS: '1',
    AUDIT_RETENTION_MONTHS: '6',
    PLATFORM_API_BASES: '{"qq":"http://127.0.0.1:1"}',
    RATE_LIMIT_LOGIN_PER_ADDRESS: '6/60',
    RATE_LIMIT_LOGIN_PER_OPENID: '6/60',
    RATE_LIMIT_REFRESH_PER_ADDRESS: '6/60',
    RATE_LIMIT_READS_PER_USER: '6/60',
    RATE_LIMIT_CHANGES_PER_USER: '6/60',
    RATE_LIMIT_EXPORTS_PER_USER: '6/60',
    RATE_LIMIT_AVATARS_PER_USER: '6/60',
    CLIENTS: '[{"id":"pc","name":"PC","kind":"device"}]',
    WEB_ORIGINS: 'https://www.example.com',
    EVENT_TARGETS: '[{"id":"orders","audience":"orders"}]',
    DEVICE_CONFIRM_PAGE: 'pages/confirm/confirm',
    RATE_LIMIT_SIGN_PER_USER: '9/60',
    RATE_LIMIT_RECEIPTS_PER_ADDRESS: '6/60',
    CONSOLE_ORIGIN: 'https://console.example.com',
    CONSOLE_OIDC_ISSUER: 'https://login.example.com/realm',
    CONSOLE_OIDC_SCOPE: 'openid groups',
    RATE_LIMIT_UPSTREAM_PER_USER: '6/60',
    RATE_LIMIT_UPSTREAM_PER_ADDRESS: '6/60',
    RATE_LIMIT_BAD_PUSHES_PER_ADDRESS: '6/60',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_TRACES_SAMPLER_ARG: '0.5',
  }

  test.each(Object.keys(environmentSchema.shape))('%s_FILE gives what the variable would', (name) => {
    const value = valid[name] ?? ordinary[name] ?? (name.endsWith('_SECONDS') ? '400' : '7')
    const pair = name.startsWith('WECHAT_PUSH_') ? push : name.startsWith('CONSOLE_OIDC') ? completeOidc : {}
    const others = { ...(name === 'APPS' ? bare : least), ...pair }
    const byFile = { ...others, [name]: undefined, [`${name}_FILE`]: file(`${value}\n`) }
    expect(loadConfig(byFile)).toEqual(loadConfig({ ...others, [name]: value }))
  })

  test.each<[string, Environment]>([
    ['both forms are given', { ...least, REDIS_URL_FILE: '/dev/null' }],
    ['the file is not there', { ...least, REDIS_URL: undefined, REDIS_URL_FILE: '/nowhere/at/all' }],
    ['the file is empty', { ...least, REDIS_URL: undefined, REDIS_URL_FILE: '/dev/null' }],
  ])('is one problem when %s', (_what, environment) => {
    expect(names(environment)).toEqual(['REDIS_URL'])
  })

  test('the migration is given nothing but its URL, in either form', () => {
    expect(loadMigrationUrl({ DATABASE_URL: 'postgres://a/b' })).toBe('postgres://a/b')
    expect(
      loadMigrationUrl({ DATABASE_URL: 'postgres://a/b', MIGRATION_DATABASE_URL_FILE: file('postgres://direct/b') }),
    ).toBe('postgres://direct/b')
    expect(() => loadMigrationUrl({})).toThrow(/DATABASE_URL: is required/)
    expect(() => loadMigrationUrl({ DATABASE_URL: 'nonsense' })).toThrow(/DATABASE_URL: must/)
  })
})

test('a process with a bad environment names every problem on standard error, exits with 2 and prints no secret', () => {
  const canary = 'canary-5f1e0c7d'
  const main = fileURLToPath(new URL('../../main.ts', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [main], {
    encoding: 'utf8',
    env: {
      ISSUER: `https://u:${canary}@a`,
      DATABASE_URL: `mysql://u:${canary}@db`,
      REDIS_URL: `http://u:${canary}@cache`,
      ENCRYPTION_KEYS: `${canary}:${canary},k1:${canary}`,
      APPS: `[{"appid":"a","secret":["${canary}"]},{"appid":"b","platform":"${canary}","secret":"s"}]`,
      WECHAT_SECRET: canary,
      WECHAT_API_BASE: `gopher://${canary}`,
      ADMIN_TOKENS: `ops:admin:${canary}`,
      SIGNING_ALG: canary,
      ACCESS_TOKEN_TTL_SECONDS: canary,
      ACCESS_TOKEN_CLAIMS: canary,
      HOST_FILE: `/nowhere/${canary}`,
    },
  })
  expect(status).toBe(2)
  expect(stdout).toBe('')
  const named = new Set([...stderr.matchAll(/^ {2}([A-Z_]+): /gm)].map(([, name]) => name))
  expect([...named].sort()).toEqual(
    [
      'ISSUER',
      'DATABASE_URL',
      'REDIS_URL',
      'ENCRYPTION_KEYS',
      'APPS',
      'WECHAT_APPID',
      'WECHAT_API_BASE',
      'ADMIN_TOKENS',
      'SIGNING_ALG',
      'ACCESS_TOKEN_TTL_SECONDS',
      'ACCESS_TOKEN_CLAIMS',
      'HOST',
    ].sort(),
  )
  expect(stderr).not.toContain(canary)
})
