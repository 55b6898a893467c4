/** `ADMIN_TOKENS`: every scope, whole or narrowed, and what is refused with its reason and without its secret. */
import { describe, expect, test } from 'vitest'
import { adminTokens } from './admin-tokens.ts'

const SECRET = 's'.repeat(32)
const read = (scopes: string) => adminTokens.parse(`ops:${scopes}:${SECRET}`)[0]?.grants

test('every scope of the contract is known, alone and together', () => {
  const scopes = ['admin', 'admin-read', 'introspect', 'revoke', 'open-data', 'sign', 'credential', 'platform-events']
  for (const scope of scopes) expect(read(scope)).toEqual([{ scope, only: undefined }])
  expect(read(scopes.join('+'))?.map(({ scope }) => scope)).toEqual(scopes)
})

test.each<[string, string, string[]]>([
  ['introspect@https://api.example.com:8443/v1', 'introspect', ['https://api.example.com:8443/v1']],
  ['introspect@orders+introspect@stock', 'introspect', ['orders', 'stock']],
  ['introspect@urn:one%2Ctwo%2Bthree%25', 'introspect', ['urn:one,two+three%']],
  ['sign@wx0000000000000001', 'sign', ['wx0000000000000001']],
  ['credential@wx0000000000000001', 'credential', ['wx0000000000000001']],
])('%s is %s for %j alone', (text, scope, only) => {
  expect(read(text)).toEqual([{ scope, only }])
})

test('several entries, of which one is narrowed to a URL, are told apart', () => {
  const text = `a:introspect@https://api.example.com:${SECRET}, b:admin+revoke:${SECRET}`
  expect(adminTokens.parse(text).map(({ name, grants, secret }) => [name, grants.length, secret])).toEqual([
    ['a', 1, SECRET],
    ['b', 2, SECRET],
  ])
})

describe('refused, with a reason and without the secret', () => {
  test.each([
    ['a scope that may not be narrowed', `ops:admin@users:${SECRET}`],
    ['a scope narrowed to nothing', `ops:introspect@:${SECRET}`],
    ['a broken escape', `ops:introspect@%zz:${SECRET}`],
    ['a scope both whole and narrowed, which would be whole', `ops:introspect+introspect@orders:${SECRET}`],
    ['an unknown scope', `ops:root:${SECRET}`],
    ['no scope', `ops::${SECRET}`],
    ['no secret', 'ops:admin'],
    ['a short secret', `ops:admin:${SECRET.slice(1)}`],
    ['a secret that no header can carry', `ops:admin:${SECRET}"`],
    ['a name twice', `ops:admin:${SECRET},ops:revoke:${SECRET}`],
  ])('%s', (_what, text) => {
    const { success, error } = adminTokens.safeParse(text)
    expect(success).toBe(false)
    expect(error?.issues[0]?.message).toMatch(/^(entry 1 must be name:scope|"ops": )/)
    expect(error?.message).not.toContain(SECRET.slice(1))
  })
})
