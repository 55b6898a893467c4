/** The examples of the API description: each is what its schema describes, so that the first click of a call has something good to send. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { misfits, type Schema } from '../../dev/testing/json-schema.ts'
import { type Described, type OpenApi, operationsOf } from '../../dev/testing/openapi.ts'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

let gateway: TestGateway
let api: OpenApi
let operations: Described[]

beforeAll(async () => {
  const secret = 'all-scopes-0123456789-0123456789-0123456789'
  gateway = await startTestGateway({
    environment: { ADMIN_TOKENS: `all:admin+introspect+revoke+open-data+sign+credential:${secret}` },
  })
  api = (await (await gateway.internalApp.request('/openapi.json')).json()) as OpenApi
  operations = operationsOf(api)
})
afterAll(() => gateway.close())

test('every JSON body and reply, and every parameter that must be given, has an example that fits its schema', () => {
  const problems: string[] = []
  let checked = 0
  const check = (where: string, schema: Schema | undefined, example: unknown, strict: boolean) => {
    checked += 1
    if (schema === undefined || example === undefined) problems.push(`${where} has no example`)
    else
      problems.push(
        ...misfits(schema, example, { components: api.components.schemas, strict }, where).map(
          (why) => `${why}: name the member in http/examples.ts`,
        ),
      )
  }
  for (const { method, path, operation } of operations) {
    const at = `${method} ${path}`
    for (const [type, { schema, example }] of Object.entries(operation.requestBody?.content ?? {}))
      if (/json|urlencoded/.test(type)) check(`${at} body`, schema, example, true)
    for (const [status, { content = {} }] of Object.entries(operation.responses))
      for (const [type, { schema, example }] of Object.entries(content))
        if (type.includes('json')) check(`${at} ${status}`, schema, example, true)
    for (const { name, in: place, required, schema, example } of operation.parameters ?? [])
      if (required) check(`${at} ${place} ${name}`, schema, example, false)
  }
  expect(problems).toEqual([])
  expect(checked).toBeGreaterThan(150)
})

test('the page of the internal listener has a part for each listener, whose calls go where they are answered', async () => {
  const part = async (name: string) =>
    (await (await gateway.internalApp.request(`/docs/${name}.json`)).json()) as OpenApi
  const [own, elsewhere] = [await part('internal'), await part('public')]
  expect([own.servers, elsewhere.servers]).toEqual([[{ url: '/' }], [{ url: 'https://auth.example.com' }]])
  const paths = (document: OpenApi) => Object.keys(document.paths)
  expect(paths(own)).toContain('/admin/users')
  expect(paths(elsewhere)).toContain('/api/login')
  expect([...paths(elsewhere), ...paths(own)].sort()).toEqual(Object.keys(api.paths).sort())
})

test('the script of the page is there, and asks its makers for nothing', async () => {
  const script = await (await gateway.internalApp.request('/docs/scalar.js')).text()
  expect(script).toContain('createApiReference')
  expect(script).not.toMatch(/sourceMappingURL|new Function\(/)
  const start = await (await gateway.internalApp.request('/docs/start.js')).text()
  expect(start).toContain('"telemetry":false')
  // The operator's token is filled in by npm run dev alone.
  expect(start).not.toMatch(/authentication|token/)
})
