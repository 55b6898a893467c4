/** An OpenAPI 3.1 document as tests read it, and what the specification asks of its structure. */
import { type Components, flawsOf, type Schema } from './json-schema.ts'

type Content = Record<string, { schema: Schema; encoding?: object; example?: unknown }>
export type Parameter = { name: string; in: string; required?: boolean; schema: Schema; example?: unknown }
export type Operation = {
  operationId: string
  summary: string
  tags: string[]
  security: Record<string, string[]>[]
  parameters?: Parameter[]
  requestBody?: { required?: boolean; content: Content }
  responses: Record<string, { description: string; content?: Content }>
}
export type OpenApi = {
  openapi: string
  info: { title: string; version: string }
  servers: { url: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Components; securitySchemes: Record<string, { type: string; scheme: string }> }
}
export type Described = { method: string; path: string; operation: Operation }

export const operationsOf = (api: OpenApi): Described[] =>
  Object.entries(api.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method, path, operation })),
  )

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']
const MEDIA_TYPE = /^[a-z]+\/[\w.+-]+$/

/** Every breach of OpenAPI 3.1, as a sentence that says where. */
export function breaches(api: OpenApi): string[] {
  const found: string[] = []
  const { schemas, securitySchemes } = api.components
  if (!/^3\.1\.\d+$/.test(api.openapi)) found.push(`openapi is ${api.openapi}`)
  if (!api.info.title || !api.info.version) found.push('info lacks title or version')
  for (const { url } of api.servers) if (!URL.canParse(url, 'http://localhost')) found.push(`server ${url}`)
  for (const [name, schema] of Object.entries(schemas)) {
    if (!/^[\w.-]+$/.test(name)) found.push(`the component ${name} has no good name`)
    found.push(...flawsOf(schema, schemas, name))
  }
  for (const [name, { type, scheme }] of Object.entries(securitySchemes))
    if (type !== 'http' || !scheme) found.push(`the security scheme ${name}`)
  const shapes = Object.keys(api.paths).map((path) => path.replaceAll(/\{\w+\}/g, '{}'))
  if (new Set(shapes).size !== shapes.length) found.push('two paths are the same but for the names of their parameters')

  const ids = new Set<string>()
  for (const { method, path, operation } of operationsOf(api)) {
    const at = `${method} ${path}`
    const { operationId, parameters = [], requestBody, responses, security } = operation
    if (!path.startsWith('/') || !METHODS.includes(method)) found.push(`${at} is no operation`)
    if (ids.has(operationId) || !/^[a-z]\w*$/i.test(operationId)) found.push(`${at}: operationId ${operationId}`)
    ids.add(operationId)
    for (const scheme of security.flatMap((one) => Object.keys(one)))
      if (!securitySchemes[scheme]) found.push(`${at}: security scheme ${scheme}`)

    const inPath = parameters.filter((parameter) => parameter.in === 'path')
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    if (inPath.map(({ name }) => name).join() !== named.join()) found.push(`${at}: its parameters are not its path's`)
    const places = parameters.map((parameter) => `${parameter.in} ${parameter.name}`)
    if (new Set(places).size !== places.length) found.push(`${at}: a parameter twice`)
    for (const { name, in: place, required, schema } of parameters) {
      if (!['path', 'query', 'header', 'cookie'].includes(place)) found.push(`${at}: ${name} is in ${place}`)
      if (place === 'path' && required !== true) found.push(`${at}: ${name} must be required`)
      found.push(...flawsOf(schema, schemas, `${at} ${name}`))
    }

    const bodies: [string, Content][] = Object.entries(responses).map(([status, { content = {} }]) => [status, content])
    if (requestBody) bodies.push(['request', requestBody.content])
    if (method === 'get' && requestBody) found.push(`${at} has a body`)
    for (const [where, content] of bodies)
      for (const [type, { schema }] of Object.entries(content)) {
        if (!MEDIA_TYPE.test(type)) found.push(`${at} ${where}: ${type}`)
        found.push(...flawsOf(schema, schemas, `${at} ${where}`))
      }
    if (!responses[200] && !responses[302]) found.push(`${at} describes no success`)
    for (const [status, { description }] of Object.entries(responses))
      if (!/^[2-5]\d\d$/.test(status) || !description) found.push(`${at}: the response ${status}`)
  }
  return found
}
