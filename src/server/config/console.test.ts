/** The console's variables: an origin is one, and OIDC is whole or not there. */
import { expect, test } from 'vitest'
import { ConfigError, loadConfig } from './config.ts'

const least = {
  ISSUER: 'https://auth.example.com',
  DATABASE_URL: 'postgres://db.example.com/auth',
  REDIS_URL: 'redis://cache.example.com',
  ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
  WECHAT_APPID: 'wx1',
  WECHAT_SECRET: 'app-secret',
}
const oidc = {
  CONSOLE_ORIGIN: 'https://console.example.com',
  CONSOLE_OIDC_ISSUER: 'https://login.example.com/realms/staff',
  CONSOLE_OIDC_CLIENT_ID: 'console',
  CONSOLE_OIDC_CLIENT_SECRET: 'console-secret',
}

function problems(environment: Record<string, string>): string[] {
  try {
    loadConfig({ ...least, ...environment })
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

test('the console is configured by OIDC, its origin and the roles that mean a scope', () => {
  const config = loadConfig({ ...least, ...oidc, CONSOLE_OIDC_ADMIN_ROLES: 'ops,sre' })
  expect(config.console).toEqual({
    origin: 'https://console.example.com',
    oidc: {
      issuer: oidc.CONSOLE_OIDC_ISSUER,
      clientId: 'console',
      clientSecret: 'console-secret',
      scope: 'openid profile email',
      roleClaim: 'roles',
      adminRoles: ['ops', 'sre'],
      readRoles: ['auth-gateway-read'],
    },
  })
  expect(loadConfig(least).console).toEqual({ origin: undefined, oidc: undefined })
})

test.each(Object.keys(oidc))('without %s the rest of OIDC is a problem that names it', (name) => {
  const { [name as keyof typeof oidc]: _, ...rest } = oidc
  expect(problems(rest)).toEqual([expect.stringMatching(`^${name}: is required beside CONSOLE_OIDC_`)])
})

test.each([
  'http://console.example.com',
  'https://console.example.com/console',
  'https://console.example.com/',
  'console',
])('CONSOLE_ORIGIN %s is refused', (origin) => {
  const found = problems({ CONSOLE_ORIGIN: origin })
  expect(found.length).toBeGreaterThan(0)
  for (const problem of found) expect(problem).toMatch(/^CONSOLE_ORIGIN: must be/)
})

test.each(['profile', 'openid  email', 'openid\temail'])('CONSOLE_OIDC_SCOPE %j is refused', (scope) => {
  expect(problems({ ...oidc, CONSOLE_OIDC_SCOPE: scope })).toEqual([expect.stringMatching(/^CONSOLE_OIDC_SCOPE:/)])
})
