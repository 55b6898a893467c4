/** AVATAR_STORE as operators write it. */
import { expect, test } from 'vitest'
import { testEnvironment } from '../../dev/testing/test-gateway.ts'
import { ConfigError, loadConfig } from './config.ts'

const credentials = { AVATAR_STORE_ACCESS_KEY_ID: 'AKID', AVATAR_STORE_SECRET_ACCESS_KEY: 'the-secret-key' }
const storeOf = (environment: Record<string, string>) => loadConfig({ ...testEnvironment, ...environment }).avatarStore

function problemsOf(environment: Record<string, string>): string[] {
  try {
    storeOf(environment)
    return []
  } catch (error) {
    return error instanceof ConfigError ? error.problems : ['another error']
  }
}

test('S3-compatible storage is a URL with endpoint, region and where the public finds the pictures', () => {
  const AVATAR_STORE =
    's3://pictures-1250000000?endpoint=https://cos.ap-guangzhou.myqcloud.com/&region=ap-guangzhou&publicBase=https://cdn.example.com/'
  expect(storeOf({ AVATAR_STORE, ...credentials })).toEqual({
    kind: 's3',
    bucket: 'pictures-1250000000',
    endpoint: 'https://cos.ap-guangzhou.myqcloud.com',
    region: 'ap-guangzhou',
    publicBases: ['https://cdn.example.com'],
    pathStyle: false,
    accessKeyId: 'AKID',
    secretAccessKey: 'the-secret-key',
  })
})

test('a folder is a file URL', () => {
  expect(storeOf({ AVATAR_STORE: 'file:///var/lib/avatars' })).toEqual({ kind: 'folder', path: '/var/lib/avatars' })
})

test('unset, there is no store', () => {
  expect(storeOf({})).toBeUndefined()
})

const good = 's3://b-1?endpoint=https://s3.example.com&region=r-1'

test.each<[string, Record<string, string>, string]>([
  ['another scheme', { AVATAR_STORE: 'https://b-1.example.com' }, 'must be s3://bucket'],
  ['a relative folder', { AVATAR_STORE: 'file://avatars' }, 'must be s3://bucket'],
  ['a key before the bucket', { AVATAR_STORE: good.replace('b-1', 'AKID:the-secret-key@b-1') }, 'must be s3://bucket'],
  ['no endpoint', { AVATAR_STORE: 's3://b-1?region=r-1', ...credentials }, 'parameter: endpoint'],
  ['two endpoints', { AVATAR_STORE: `${good}&endpoint=https://b.example.com`, ...credentials }, 'parameter: endpoint'],
  ['an unknown parameter', { AVATAR_STORE: `${good}&publicbase=https://b.example.com`, ...credentials }, 'publicbase'],
  ['a public base that is none', { AVATAR_STORE: `${good}&publicBase=cdn`, ...credentials }, 'parameter: publicBase'],
  ['no credentials', { AVATAR_STORE: good }, 'AVATAR_STORE_ACCESS_KEY_ID: is required'],
])('%s is reported by the name of the variable, without a value', (_what, environment, problem) => {
  const problems = problemsOf(environment)
  expect(problems.join('\n')).toContain(problem)
  for (const line of problems) expect(line).toMatch(/^AVATAR_STORE\w*: /)
  expect(problems.join()).not.toContain('the-secret-key')
})
