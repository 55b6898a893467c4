/** The checks that the contract test leans on: each of them finds what it is there to find. */
import { expect, test } from 'vitest'
import { candidatesFor, exampleOf, flawsOf, misfits, type Schema } from './json-schema.ts'
import { breaches, type OpenApi } from './openapi.ts'

const components = { Pet: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] } }
const check = (schema: Schema, value: unknown, strict = true) => misfits(schema, value, { components, strict })

test.each<[Schema, unknown]>([
  [{ type: 'string' }, 7],
  [{ type: ['string', 'null'] }, undefined],
  [{ type: 'integer' }, 0.5],
  [{ type: 'string', enum: ['a'] }, 'b'],
  [{ type: 'string', minLength: 1 }, ''],
  [{ type: 'string', maxLength: 1 }, 'ab'],
  [{ type: 'string', pattern: '^a$' }, 'b'],
  [{ type: 'string', format: 'date-time' }, '2026-01-01'],
  [{ type: 'string', format: 'date' }, '2026-13-01'],
  [{ type: 'string', format: 'uuid' }, '1'],
  [{ type: 'string', format: 'email' }, 'nobody@'],
  [{ type: 'integer', minimum: 1 }, 0],
  [{ type: 'integer', maximum: 1 }, 2],
  [{ type: 'array', items: { type: 'string' } }, ['a', 1]],
  [{ type: 'array', items: {}, maxItems: 1 }, [1, 2]],
  [{ $ref: '#/components/schemas/Pet' }, {}],
  [{ $ref: '#/components/schemas/Pet' }, { name: 'a', surprise: 1 }],
  [{ type: 'object', properties: {} }, { surprise: 1 }],
  [{ type: 'object', additionalProperties: { type: 'string' } }, { a: 1 }],
  [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, 1],
])('%j does not take %j', (schema, value) => {
  expect(check(schema, value)).toHaveLength(schema.anyOf ? 2 : 1)
})

test('members that are not named fit a request, unless they are forbidden', () => {
  expect(check({ type: 'object', properties: {} }, { surprise: 1 }, false)).toEqual([])
  expect(check({ type: 'object', properties: {}, additionalProperties: false }, { surprise: 1 }, false)).toHaveLength(1)
})

test('a keyword, a format or a reference that nothing checks is an error, not a pass', () => {
  expect(() => check({ type: 'string', contentEncoding: 'base64' }, 'x')).toThrow('contentEncoding')
  expect(() => check({ type: 'string', format: 'ipv4' }, 'x')).toThrow('ipv4')
  expect(() => check({ $ref: '#/components/schemas/Gone' }, 'x')).toThrow('Gone')
  const flawed = { type: 'object', properties: { a: { type: 'text' }, b: { pattern: '(' } }, required: ['c'] }
  expect(flawsOf(flawed, components, 'x')).toHaveLength(3)
})

test('an example fits, and among the candidates some do not', () => {
  const pet = { $ref: '#/components/schemas/Pet' }
  expect(check(pet, exampleOf(pet, components))).toEqual([])
  const short = { type: 'string', minLength: 1, maxLength: 3 }
  expect(candidatesFor(short, components).filter((value) => check(short, value).length > 0)).toContain('xxxx')
})

test('a document that breaks the rules of OpenAPI is found out, breach by breach', () => {
  const ok = { description: 'ok', content: { 'application/json': { schema: { $ref: '#/components/schemas/Pet' } } } }
  const operation = { operationId: 'x', summary: '', tags: [], security: [], responses: { 200: ok } }
  const api: OpenApi = {
    openapi: '3.1.0',
    info: { title: 'x', version: '1' },
    servers: [{ url: 'https://auth.example.com' }],
    paths: {
      '/a/{id}': { get: { ...operation, parameters: [{ name: 'id', in: 'path', required: true, schema: {} }] } },
    },
    components: { schemas: components, securitySchemes: {} },
  }
  expect(breaches(api)).toEqual([])
  const paths = (change: object) => ({ ...api, paths: { '/b': { get: { ...operation, ...change } } } })
  for (const broken of [
    { ...api, openapi: '3.0.3' },
    { ...api, servers: [{ url: 'https://' }] },
    paths({ operationId: 'a b' }),
    paths({ security: [{ nobody: [] }] }),
    paths({ responses: { 404: { description: 'gone' } } }),
    paths({ responses: { 200: { description: '' } } }),
    paths({ parameters: [{ name: 'id', in: 'path', required: true, schema: {} }] }),
    paths({ requestBody: { content: {} } }),
    { ...api, paths: { '/a/{id}': { get: operation } } },
    { ...api, paths: { ...api.paths, '/b': { get: { ...operation } } } },
  ])
    expect(breaches(broken as OpenApi)).toHaveLength(1)
})
