/** Misspelt variables are named with what was meant, and other programs' variables are left in peace. */
import { expect, test } from 'vitest'
import { ConfigError, loadConfig, misspeltVariables } from './config.ts'

test.each([
  ['TRUSTED_PROXY_HOP', 'TRUSTED_PROXY_HOPS'],
  ['ACESS_TOKEN_TTL_SECONDS', 'ACCESS_TOKEN_TTL_SECONDS'],
  ['DATABASE_URI', 'DATABASE_URL'],
  ['ENCRYPTION_KEY_FILE', 'ENCRYPTION_KEYS_FILE'],
  ['admin_tokens', 'ADMIN_TOKENS'],
  ['ISUER_', undefined],
])('%s: is %s meant?', (name, meant) => {
  const expected = meant === undefined ? [] : [`${name}: is not known and not read; did you mean ${meant}?`]
  expect(misspeltVariables({ [name]: 'a value that nobody may read' })).toEqual(expected)
})

test('what systems and other programs set is not taken for ours', () => {
  const others =
    'HOME HOSTNAME PATH PWD USER SHELL LANG TERM PORTS HOSTS REDIS_PORT REDIS_HOST REDIS_PORT_6379_TCP DATABASE_PORT ' +
    'AUTH_GATEWAY_PORT AUTH_GATEWAY_SERVICE_HOST KUBERNETES_PORT OTEL_TRACES_SAMPLER OTEL_SERVICE_VERSION NODE_OPTIONS ' +
    'NODE_ENV HTTP_PROXY http_proxy npm_config_audience PGHOST LOGNAME WECHAT_APP ADMIN_PASSWORD DATABASE_NAME'
  expect(misspeltVariables(Object.fromEntries(others.split(' ').map((name) => [name, 'x'])))).toEqual([])
})

test('a variable that is set correctly too needs no advice', () => {
  expect(misspeltVariables({ DATABASE_URI: 'x', DATABASE_URL: 'y' })).toEqual([])
})

test('a required variable that is missing stands beside the misspelt one', () => {
  const problemsOf = (environment: Record<string, string>) => {
    try {
      loadConfig(environment)
      return []
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return error.problems
    }
  }
  expect(problemsOf({ ISSUERS: 'https://auth.example.com' })).toEqual(
    expect.arrayContaining(['ISSUER: is required', 'ISSUERS: is not known and not read; did you mean ISSUER?']),
  )
})
