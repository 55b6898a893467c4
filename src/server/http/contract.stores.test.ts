/** The API description against the gateway that serves it: a walk over every operation, with good examples and bad ones. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Example, Values } from '../../dev/testing/contract-examples.ts'
import {
  ALL,
  type Answer,
  type ContractWalk,
  honoPath,
  jsonBody,
  OPERATOR,
  openContractWalk,
  SERVICE,
  type Sending,
  tokenFor,
} from '../../dev/testing/contract-walk.ts'
import { candidatesFor, misfits, resolve } from '../../dev/testing/json-schema.ts'
import { breaches, type Described, type OpenApi } from '../../dev/testing/openapi.ts'
import type { TestGateway } from '../../dev/testing/test-gateway.ts'
import { impliedCodes } from './openapi.ts'

let contract: ContractWalk
let gateway: TestGateway
let api: OpenApi
let operations: Described[]

beforeAll(async () => {
  contract = await openContractWalk()
  ;({ gateway, api, operations } = contract)
})
afterAll(() => contract.close())

const schemas = () => contract.schemas
const goodExample: ContractWalk['goodExample'] = (...parts) => contract.goodExample(...parts)
const send: ContractWalk['send'] = (...parts) => contract.send(...parts)
const walk: ContractWalk['walk'] = (check) => contract.walk(check)
const propertiesOf: ContractWalk['propertiesOf'] = (schema) => contract.propertiesOf(schema)
/** As requests are looked at. */
const lenient = () => ({ components: schemas(), strict: false })

/** In what an answer is not as described; a failure of the envelope must also carry one of the codes described for its status. */
function surprises({ operation }: Described, { status, type, value }: Answer): string[] {
  const response = operation.responses[status]
  if (!response) return [`${status} is not described: ${JSON.stringify(value).slice(0, 200)}`]
  if (!response.content) return []
  const content = response.content[type]
  if (!content) return [`${status} came as ${type}`]
  const found = misfits(content.schema, value, { components: schemas(), strict: true }, String(status))
  const { code = '' } = value as { code?: string }
  if (status >= 400 && !response.description.includes(code)) found.push(`${status} does not describe ${code}`)
  return found
}

test('the description is a valid OpenAPI 3.1 document', () => {
  expect(breaches(api)).toEqual([])
  expect(operations.length).toBeGreaterThan(35)
})

test('what the two listeners serve is what is described, and nothing else', () => {
  const routes = [...gateway.routes.public, ...gateway.routes.internal]
  /** A POST that stands for PUT, PATCH or DELETE. */
  const isOverride = (method: string, path: string) =>
    method === 'POST' && !routes.some((route) => route.method === 'post' && route.path === path)
  const own = new Set(routes.map((route) => route.path))
  const served = [...gateway.publicApp.routes, ...gateway.internalApp.routes]
    .filter(({ method }) => method !== 'ALL')
    .filter(({ method, path }) => !(own.has(path) && isOverride(method, path)))
    .map(({ method, path }) => `${method} ${path}`)
  const described = operations.map(({ method, path }) => `${method.toUpperCase()} ${honoPath(path)}`)
  expect([...new Set(served)].sort()).toEqual(described.sort())
  expect(served).toEqual(expect.arrayContaining(routes.map(({ method, path }) => `${method.toUpperCase()} ${path}`)))
})

test('a route lists the errors that are special to it, and none that its kind implies', () => {
  const listed = [...gateway.routes.public, ...gateway.routes.internal].flatMap((route) =>
    (route.errors ?? [])
      .filter((code) => impliedCodes(route).includes(code))
      .map((code) => `${route.method} ${route.path} ${code}`),
  )
  expect(listed).toEqual([])
})

test('every operation answers a good example with 200 and what is described', async () => {
  const problems = await walk(async (described, caller, report) => {
    const example = await goodExample(described, caller)
    const token = tokenFor(described, caller)
    const answer = await send(described, example, { token })
    // A browser is sent on.
    if (answer.status !== 200 && answer.status !== 302) {
      report(`${answer.status} ${JSON.stringify(answer.value)}`)
      return
    }
    for (const problem of surprises(described, answer)) report(problem)
    if (!described.operation.responses[304]) return
    const again = await send(described, example, { token, headers: { 'if-none-match': answer.etag ?? '' } })
    if (again.status !== 304) report(`${again.status} instead of 304`)
  })
  expect(problems).toEqual([])
})

test('every operation refuses a caller without the right token as described', async () => {
  let asked = 0
  const problems = await walk(async (described, caller, report) => {
    const [[kind, [scope] = []] = []] = described.operation.security.flatMap((one) => Object.entries(one))
    if (kind === undefined) return
    const example = await goodExample(described, caller)
    const narrow = scope === 'introspect' ? OPERATOR : SERVICE
    const wrong: [string | undefined, number][] = [
      [undefined, 401],
      ['x', 401],
      [kind === 'user' ? ALL : caller.token, 401],
      ...(scope === undefined ? [] : [[narrow, 403] satisfies [string, number]]),
    ]
    for (const [token, status] of wrong) {
      asked += 1
      const answer = await send(described, example, { token })
      if (answer.status !== status) report(`${answer.status} instead of ${status} for the token ${token}`)
      for (const problem of surprises(described, answer)) report(problem)
    }
  })
  expect(problems).toEqual([])
  expect(asked).toBeGreaterThan(80)
})

describe('bad examples', () => {
  /** What a person can act on: no regular expression, nothing empty, nothing endless. */
  const isPlain = (reason: string | undefined) =>
    reason !== undefined && /\p{L}{2}/u.test(reason) && !/\/\^|undefined|NaN/.test(reason) && reason.length < 1000

  type Refusal = { code?: string; fields?: Values }
  /** What a page says to the person in front of it. */
  const readPage = ({ value }: Answer): Refusal => ({
    code: /<h1>\d{3} (\w{5})<\/h1>/.exec(String(value))?.[1] ?? '',
    fields: Object.fromEntries(
      [...String(value).matchAll(/<li>(\w+): ([^<]+)<\/li>/g)].map(([, name, reason]) => [name, reason]),
    ),
  })

  function checkRefusal(
    described: Described,
    answer: Answer,
    field: string,
    report: (problem: string) => unknown,
  ): void {
    const { code, fields = {} } = answer.type === 'text/html' ? readPage(answer) : (answer.value as Refusal)
    const named = Object.keys(fields).find((name) => name === field || name.startsWith(`${field}.`))
    if (code !== 'A0400' || named === undefined) report(`${field}: ${JSON.stringify(answer.value).slice(0, 200)}`)
    else if (!isPlain(fields[named])) report(`${field}: "${fields[named]}" helps nobody`)
    for (const problem of surprises(described, answer)) report(problem)
  }

  test.each(['zh', 'en'])('of every body are refused as described, naming the field and why (%s)', async (language) => {
    let sent = 0
    const problems = await walk(async (described, caller, report) => {
      const schema = jsonBody(described)
      if (!schema) return
      const known = resolve(schema, schemas())
      const good = await goodExample(described, caller)
      const token = tokenFor(described, caller)
      const sendBody = async (body: Record<string, unknown>, field: string) => {
        sent += 1
        const answer = await send(described, { ...good, body }, { token, headers: { 'accept-language': language } })
        checkRefusal(described, answer, field, report)
      }
      for (const name of (known.required ?? []) as string[]) {
        const { [name]: _, ...rest } = good.body ?? {}
        await sendBody(rest, name)
      }
      if (known.additionalProperties === false) await sendBody({ ...good.body, surprise: 1 }, 'surprise')
      for (const [name, each] of propertiesOf(schema))
        for (const value of candidatesFor(each, schemas()))
          if (misfits(each, value, lenient()).length > 0) await sendBody({ ...good.body, [name]: value }, name)
    })
    expect(problems).toEqual([])
    expect(sent).toBeGreaterThan(300)
  })

  test('of every parameter are refused as described, naming it', async () => {
    let sent = 0
    const problems = await walk(async (described, caller, report) => {
      const { parameters = [] } = described.operation
      const good = await goodExample(described, caller)
      for (const { name, in: place, schema } of parameters)
        for (const value of candidatesFor(schema, schemas()).filter((one) => typeof one !== 'object' && one !== '')) {
          const number = schema.type === 'integer' && typeof value === 'number'
          if (misfits(schema, number ? value : String(value), lenient()).length === 0) continue
          if (place === 'path' && String(value).length > 8000) continue
          sent += 1
          const values = { [name]: String(value) }
          const bad =
            place === 'path' ? { params: { ...good.params, ...values } } : { query: { ...good.query, ...values } }
          const answer = await send(described, { ...good, ...bad }, { token: tokenFor(described, caller) })
          checkRefusal(described, answer, name, report)
        }
    })
    expect(problems).toEqual([])
    expect(sent).toBeGreaterThan(100)
  })

  test('of every form and file are refused as described', async () => {
    const bad: Sending['raw'][] = [
      { type: 'application/json', text: '{"' },
      { type: 'text/plain', text: 'token=x' },
      { type: 'application/x-www-form-urlencoded', text: '' },
      { type: 'application/x-www-form-urlencoded', text: 'token=a&token=b' },
      { type: 'multipart/form-data; boundary=x', text: '--x--' },
      { type: 'multipart/form-data; boundary=x', text: 'x'.repeat(3_000_000) },
      { type: 'application/json', text: JSON.stringify({ a: 'x'.repeat(70_000) }) },
      { type: 'application/json', text: '[]' },
    ]
    let sent = 0
    const problems = await walk(async (described, caller, report) => {
      if (!described.operation.requestBody) return
      const good = await goodExample(described, caller)
      for (const raw of bad) {
        sent += 1
        const answer = await send(described, good, { token: tokenFor(described, caller), ...(raw ? { raw } : {}) })
        if (answer.status < 400 && described.operation.requestBody.required) report(`${answer.status} for ${raw?.type}`)
        for (const problem of answer.status < 400 ? [] : surprises(described, answer)) report(problem)
      }
    })
    expect(problems).toEqual([])
    expect(sent).toBeGreaterThan(80)
  })

  test.each<[string, Example, number]>([
    ['getStatusListsId', { params: { id: '999999' } }, 404],
    ['getStatusListsId', { params: { id: 'x' } }, 404],
    ['getStatusListsId', { params: { id: '0' }, query: { time: '1' } }, 501],
    ['getDocsFile', { params: { file: 'constructor' } }, 404],
    ['getAvatarsYearMonthName', { params: { year: '2026', month: '01', name: 'x.webp' } }, 404],
  ])('of documents are answered as described: %s %j', async (operationId, example, status) => {
    const described = operations.find(({ operation }) => operation.operationId === operationId)
    const answer = described && (await send(described, example, {}))
    expect([answer?.status, Object.keys(described?.operation.responses ?? {})]).toEqual([
      status,
      expect.arrayContaining([String(status)]),
    ])
  })
})

test('the schemas that are described and those that validate agree on every example', () => {
  const problems: string[] = []
  let compared = 0
  for (const route of [...gateway.routes.public, ...gateway.routes.internal]) {
    const { body } = route
    const inner = body instanceof z.ZodOptional ? body.unwrap() : body instanceof z.ZodPipe ? body.in : body
    const validating = inner instanceof z.ZodObject ? (inner.shape as Record<string, z.ZodType>) : {}
    const described = operations.find(({ method, path }) => method === route.method && honoPath(path) === route.path)
    for (const [name, schema] of propertiesOf(described && jsonBody(described)))
      for (const value of candidatesFor(schema, schemas())) {
        compared += 1
        const describes = misfits(schema, value, lenient()).length === 0
        if (describes !== validating[name]?.safeParse(value).success)
          problems.push(
            `${route.method} ${route.path} ${name}: ${JSON.stringify(value).slice(0, 80)} is described as ${describes}`,
          )
      }
  }
  expect(problems).toEqual([])
  expect(compared).toBeGreaterThan(400)
})
