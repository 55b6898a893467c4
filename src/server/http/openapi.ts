/** The API description (OpenAPI 3.1), made from the routes that run: the schemas that validate are the ones it shows. */
import {
  OpenAPIRegistry,
  OpenApiGeneratorV31,
  type ResponseConfig,
  type ZodRequestBody,
} from '@asteasolutions/zod-to-openapi'
import { z } from 'zod'
import { type ErrorCode, errorCodes } from '../errors.ts'
import { addExamples, type Description, type LiveExamples, stillExamples } from './examples.ts'
import { type FailureForm, oauthFailureOf, proxyCodeOf } from './failure.ts'
import { introduction } from './introduction.ts'
import type { RouteDescription } from './route.ts'

export type ApiDescriptionParts = {
  /** What the listener that shows the description serves itself; it is called at the description's own origin. */
  own: readonly RouteDescription[]
  /** What the public listener serves, where that is another one. */
  atIssuer?: readonly RouteDescription[]
  issuer: string
  version: string
  /** In development, what makes the first click of each call a success. */
  live?: LiveExamples | undefined
}

const FORM = 'application/x-www-form-urlencoded'

const failureSchema = z
  .object({
    code: z.string().describe('Five characters; see the table of codes.'),
    msg: z.string().describe('May be shown to the user: Chinese, or English by Accept-Language.'),
    data: z.null(),
    request_id: z.string(),
    fields: z.record(z.string(), z.string()).optional().describe('Only with A0400: each wrong field and why.'),
  })
  .meta({ id: 'Failure' })

const oauthFailureSchema = z.object({ error: z.string(), error_description: z.string() }).meta({ id: 'OAuthFailure' })

export function describeApi({
  own,
  atIssuer = [],
  issuer,
  version,
  live = stillExamples,
}: ApiDescriptionParts): object {
  const registry = new OpenAPIRegistry()
  registry.registerComponent('securitySchemes', 'user', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'An access token.',
  })
  registry.registerComponent('securitySchemes', 'service', {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of ADMIN_TOKENS, with the scope that is named.',
  })

  for (const route of [...atIssuer, ...own])
    registry.registerPath({
      ...operation(route),
      ...(atIssuer.includes(route) && own.length > 0 ? { servers: [{ url: issuer }] } : {}),
      request: { ...parameters(route), ...requestBody(route) },
      responses: { ...failures(route), ...successes(route) },
    })
  const description = new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Mini-program auth gateway',
      version,
      description: introduction,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    // Relative to where the description was fetched from (OpenAPI 3.1, Server Object).
    servers: [{ url: own.length > 0 ? '/' : issuer }],
  })
  addExamples(description as unknown as Description, live)
  return description
}

function operation({ method, path, tag, summary, access }: RouteDescription) {
  // For a scheme of type http the list names the roles that are needed (OpenAPI 3.1, Security Requirement Object).
  const security = access === 'public' ? [] : access === 'user' ? [{ user: [] }] : [{ service: [access] }]
  return {
    method,
    path: path.replaceAll(/:(\w+)/g, '{$1}'),
    tags: [tag],
    summary,
    operationId: operationId(method, path),
    security,
  }
}

const parameters = ({ params, query }: RouteDescription) => ({
  ...(params ? { params: params as z.ZodObject } : {}),
  ...(query ? { query: query as z.ZodObject } : {}),
})

function requestBody({ body, form, bytes, upload }: RouteDescription): { body?: ZodRequestBody } {
  if (upload) {
    const { field, maxBytes, accept } = upload
    const file: SchemaObject = { type: 'string', format: 'binary', description: `At most ${maxBytes} bytes.` }
    const schema: SchemaObject = { type: 'object', required: [field], properties: { [field]: file } }
    const encoding = { [field]: { contentType: accept.join(', ') } }
    return { body: { required: true, content: { 'multipart/form-data': { schema, encoding } } } }
  }
  if (bytes) {
    const schema: SchemaObject = { type: 'string', format: 'binary', description: `At most ${bytes.maxBytes} bytes.` }
    return { body: { required: true, content: Object.fromEntries(bytes.types.map((type) => [type, { schema }])) } }
  }
  if (form) return { body: { required: true, content: { [FORM]: { schema: form } } } }
  if (!body) return {}
  return { body: { required: !body.safeParse(undefined).success, content: { 'application/json': { schema: body } } } }
}

type SchemaObject = { type: 'string' | 'object'; [keyword: string]: unknown }

const operationId = (method: string, path: string): string =>
  method + path.replaceAll(/[^A-Za-z0-9]+(.)?/g, (_, next: string | undefined) => next?.toUpperCase() ?? '')

const envelope = (data: z.ZodType) => z.object({ code: z.literal('00000'), msg: z.string(), data })

function successes(route: RouteDescription): Record<string, ResponseConfig> {
  if ('reply' in route)
    return { 200: { description: 'Success', content: { 'application/json': { schema: envelope(route.reply) } } } }
  const headers = Object.fromEntries(
    Object.entries(route.headers ?? {}).map(([name, description]) => [
      name,
      { description, schema: { type: 'string' as const } },
    ]),
  )
  const responses: Record<string, ResponseConfig> = {}
  for (const [status, reply] of Object.entries(route.replies)) {
    responses[status] =
      typeof reply === 'string'
        ? { description: reply }
        : {
            description: 'Success',
            ...(route.headers ? { headers } : {}),
            content: Object.fromEntries(Object.entries(reply).map(([type, schema]) => [type, { schema }])),
          }
  }
  return responses
}

/** What every route of this kind may answer, beside what it lists itself. A document is served from memory. */
export function impliedCodes(route: RouteDescription): ErrorCode[] {
  const { access, params, query, body, form, bytes, upload } = route
  if ('document' in route && route.document) return []
  return [
    ...(params || query || body || form || upload ? ['A0400' as const] : []),
    ...(body ? ['A0427' as const] : []),
    ...(body || form || bytes || upload ? (['A0413', 'A0415'] as const) : []),
    ...(access === 'user' ? (['A0230', 'A0202', 'A0203', 'A0501'] as const) : []),
    ...(access === 'public' || access === 'user' ? [] : (['A0230', 'A0312', 'A0404', 'A0501'] as const)),
    'B0210',
    'B0320',
  ]
}

/** One response a status, naming each code it may carry. */
function failures(route: RouteDescription): Record<string, ResponseConfig> {
  const form = ('failures' in route && route.failures) || 'envelope'
  const responses: Record<string, ResponseConfig & { description: string }> = {}
  for (const code of new Set([...impliedCodes(route), ...(route.errors ?? [])])) {
    const { status, name, type, schema } = describeFailure(form, code)
    const description = `${name}: ${errorCodes[code].en}`
    const known = responses[status]
    if (!known) responses[status] = { description, content: { [type]: { schema } } }
    // For a proxy several refusals are one code.
    else if (!known.description.includes(name)) known.description += `  \n${description}`
  }
  return responses
}

function describeFailure(form: FailureForm, code: ErrorCode) {
  const told = form === 'proxy' ? proxyCodeOf(code) : code
  const { status } = errorCodes[told]
  if (form === 'oauth' && code !== 'A0404') {
    const { status, error: name } = oauthFailureOf(code)
    return { status, name, type: 'application/json', schema: oauthFailureSchema }
  }
  if (form === 'page') return { status, name: told, type: 'text/html', schema: z.string() }
  if (form === 'text') return { status, name: told, type: 'text/plain', schema: z.string() }
  return { status, name: told, type: 'application/json', schema: failureSchema }
}
