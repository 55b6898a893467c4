/** Whatever is sent to whichever route: the right refusal in the envelope, never a 5xx, and nothing written. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { ADMIN_SECRET, forEachRoute, pathOf, type Target, takesJson } from '../../dev/testing/malformed.ts'
import { type Reply, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { errorCodes } from '../errors.ts'
import { MAX_JSON_BYTES } from './body.ts'
import type { Route } from './route.ts'

let gateway: TestGateway
let token: string
let before: string

beforeAll(async () => {
  gateway = await startTestGateway({
    environment: { ADMIN_TOKENS: `all:admin+introspect+revoke+open-data:${ADMIN_SECRET}` },
  })
  token = (await gateway.login('victim')).body.data.token
  // The first use of a session is written down.
  await gateway.call('GET', '/api/user', { token })
  before = await counts()
})
afterAll(() => gateway.close())

type Sent = { body?: string | Uint8Array; headers?: Record<string, string>; path?: string; method?: string }
async function send(target: Target, { body, headers = {}, path, method }: Sent): Promise<Reply> {
  const app = target.listener === 'public' ? gateway.publicApp : gateway.internalApp
  const bearer = target.access === 'public' ? undefined : target.access === 'user' ? token : ADMIN_SECRET
  const reply = await app.request(path ?? pathOf(target), {
    method: method ?? target.method.toUpperCase(),
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: body as string }),
  })
  return { status: reply.status, headers: reply.headers, body: (await reply.json()) as Reply['body'] }
}
function expectFailure(target: Route, reply: Reply, code: keyof typeof errorCodes, field?: string): void {
  const where = `${target.method} ${target.path}`
  expect([where, reply.body.code, reply.status]).toEqual([where, code, errorCodes[code].status])
  expect(reply.body).toMatchObject({ data: null, msg: expect.any(String), request_id: expect.any(String) })
  expect(reply.body.request_id).toBe(reply.headers.get('x-request-id'))
  if (code === 'A0400') expect(Object.keys(reply.body.fields ?? {})).not.toEqual([])
  if (field)
    expect([where, field, Object.keys(reply.body.fields ?? {})]).toEqual([
      where,
      field,
      expect.arrayContaining([expect.stringMatching(new RegExp(`^${field}`))]),
    ])
}

async function counts(): Promise<string> {
  const { database } = gateway.stores
  const tables = ['users', 'platform_identities', 'union_members', 'sessions', 'signing_keys', 'audit_events']
  const rows = await Promise.all(
    tables.map((table) =>
      database.run<{ n: string }>(
        {
          name: `sum_${table}`,
          text: `select count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' order by t::text)), '') as n from ${table} t`,
        },
        [],
      ),
    ),
  )
  return tables.map((table, index) => `${table} ${rows[index]?.[0]?.n}`).join('\n')
}

const fieldsOf = ({ body }: Route): [string, z.ZodType][] => {
  const inner = body instanceof z.ZodOptional ? body.unwrap() : body
  return inner instanceof z.ZodObject ? Object.entries(inner.shape as Record<string, z.ZodType>) : []
}

describe('a body that is not what it should be', () => {
  const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`
  const raw: [string, Sent, keyof typeof errorCodes][] = [
    ['a list', { body: '[]' }, 'A0400'],
    ['null', { body: 'null' }, 'A0400'],
    ['a number', { body: '7' }, 'A0400'],
    ['text', { body: '"text"' }, 'A0400'],
    ['10,000 levels deep', { body: deep }, 'A0400'],
    ['not JSON', { body: '{"code":' }, 'A0427'],
    ['form data', { body: 'code=x' }, 'A0427'],
    ['a raw NUL', { body: '{"code":"a\0b"}' }, 'A0427'],
    ['invalid UTF-8', { body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]) }, 'A0427'],
    ['half a surrogate pair in CESU-8', { body: Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]) }, 'A0427'],
    ['UTF-16', { body: Buffer.from('{}', 'utf16le') }, 'A0427'],
    ['a megabyte', { body: `{"x":"${'x'.repeat(1_000_000)}"}` }, 'A0413'],
    ['a byte over the limit', { body: ' '.repeat(MAX_JSON_BYTES + 1) }, 'A0413'],
    ['a declared megabyte', { body: '{}', headers: { 'content-length': '1000000' } }, 'A0413'],
    ['text/plain', { body: '{}', headers: { 'content-type': 'text/plain' } }, 'A0415'],
    ['a form', { body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 'A0415'],
    ['something like JSON', { body: '{}', headers: { 'content-type': 'application/jsonp' } }, 'A0415'],
    ['of no type', { body: '{}', headers: { 'content-type': '' } }, 'A0415'],
  ]
  test.each(raw)('%s is refused by every route that takes JSON', async (_what, sent, code) => {
    await forEachRoute(gateway, takesJson, async (target) => expectFailure(target, await send(target, sent), code))
  })

  test.each([
    ['NUL by escape', '\\u0000'],
    ['half a surrogate pair by escape', '\\ud800'],
    ['the other half', 'x\\udfffy'],
  ])('%s is A0400 naming the field, wherever it stands', async (_what, sequence) => {
    await forEachRoute(gateway, takesJson, async (target) => {
      for (const [field] of fieldsOf(target)) {
        // Decoration: what cannot be stored is dropped.
        if (field === 'userinfo') continue
        expectFailure(target, await send(target, { body: `{"${field}":"a${sequence}"}` }), 'A0400', field)
        expectFailure(target, await send(target, { body: `{"${field}":{"deep":["${sequence}"]}}` }), 'A0400', field)
      }
      expectFailure(target, await send(target, { body: `{"${sequence}":1}` }), 'A0400', 'body')
    })
  })

  const candidates: unknown[] = [
    7,
    -1,
    0.5,
    1e300,
    '',
    'x'.repeat(10_000),
    true,
    null,
    [],
    ['x'],
    {},
    { a: 1 },
    '\u202e',
    Number.MAX_SAFE_INTEGER,
  ]
  test('a field of the wrong type or length is A0400 naming that field', async () => {
    let attacks = 0
    await forEachRoute(gateway, takesJson, async (target) => {
      for (const [field, schema] of fieldsOf(target)) {
        // Decoration: whatever comes is taken, and dropped where it does not fit.
        if (field === 'userinfo') continue
        const wrong = candidates.filter((value) => !schema.safeParse(value).success)
        expect(wrong.length).toBeGreaterThan(0)
        for (const value of wrong) {
          attacks += 1
          expectFailure(target, await send(target, { body: JSON.stringify({ [field]: value }) }), 'A0400', field)
        }
      }
    })
    expect(attacks).toBeGreaterThan(50)
  })

  test('no body, or an empty object, is refused by every route that needs a field', async () => {
    const needs = (target: Target) => takesJson(target) && !target.body?.safeParse({}).success
    await forEachRoute(gateway, needs, async (target) => {
      for (const sent of [{}, { body: '' }, { body: '{}' }]) expectFailure(target, await send(target, sent), 'A0400')
    })
  })

  test('__proto__ and its kin change nothing', async () => {
    await forEachRoute(
      gateway,
      (target) => takesJson(target) && target.access === 'public',
      async (target) => {
        const reply = await send(target, {
          body: '{"__proto__":{"code":"x","refresh_token":"x"},"constructor":{"prototype":{}}}',
        })
        expect(reply.status).toBeLessThan(500)
        expect(reply.status).toBeGreaterThanOrEqual(400)
      },
    )
  })
})

describe('a path or verb that is not there', () => {
  test('is A0404 in the envelope', async () => {
    await forEachRoute(
      gateway,
      () => true,
      async (target) => {
        const known = gateway.routes[target.listener]
          .filter(({ path }) => path === target.path)
          .map(({ method }) => method.toUpperCase())
        for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'].filter(
          (each) => !known.includes(each),
        ))
          expectFailure(target, await send(target, { method }), 'A0404')
        expectFailure(target, await send(target, { path: `${pathOf(target)}/nothing/here` }), 'A0404')
      },
    )
  })

  test('odd text in a path parameter never becomes a defect', async () => {
    await forEachRoute(
      gateway,
      ({ path }) => path.includes(':'),
      async (target) => {
        for (const odd of ['%00', '%FF', '%ED%A0%80', '%', 'x', `${'x'.repeat(10_000)}`, "' or 1=1 --", '..%2f..']) {
          const reply = await send(target, {
            path: target.path.replaceAll(/:\w+/g, encodeURI(odd).replaceAll('%25', '%')),
          })
          expect([target.path, odd, reply.status >= 400 && reply.status < 500]).toEqual([target.path, odd, true])
        }
      },
    )
  })
})

test.each([
  'Bearer',
  'Bearer ',
  'Bearer \t',
  'Basic YTpi',
  `Bearer ${'x'.repeat(5000)}`,
  'Bearer é',
  'Bearer a b',
  'Bearer null',
  'Bearer e30.e30.e30',
  'Bearer eyJhbGciOiJub25lIn0.e30.',
])('an odd Authorization is A0230: %s', async (authorization) => {
  await forEachRoute(
    gateway,
    ({ access, path }) => access === 'user' || path === '/api/logout',
    async (target) => expectFailure(target, await send(target, { headers: { authorization } }), 'A0230'),
  )
})

test('after all of this the stores are as they were, and the log knows no defect', async () => {
  await new Promise((resolve) => setTimeout(resolve, 400))
  expect(gateway.logs()).not.toContain('ALERT')
  expect(await counts()).toBe(before)
})
