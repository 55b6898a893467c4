/** The API description (OpenAPI 3.1), made from the routes that run: the schemas that validate are the ones it shows. */
import {
  OpenAPIRegistry,
  OpenApiGeneratorV31,
  type ResponseConfig,
  type ZodRequestBody,
} from '@asteasolutions/zod-to-openapi'
import { z } from 'zod'
import { type ErrorCode, errorCodes } from '../errors.ts'
import type { RouteDescription } from './route.ts'

/** A reply that has a form of its own: documents, probes, standard OAuth endpoints. */
export type DocumentDescription = {
  method: 'get' | 'post'
  path: string
  tag: string
  summary: string
  access: RouteDescription['access']
  contentType: string
  reply: z.ZodType
  params?: z.ZodType
  query?: z.ZodType
  form?: z.ZodType
  alsoAnswers?: Record<number, string>
}

export type ApiDescriptionParts = {
  routes: readonly RouteDescription[]
  documents: readonly DocumentDescription[]
  issuer: string
  version: string
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

export function describeApi({ routes, documents, issuer, version }: ApiDescriptionParts): object {
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

  for (const route of routes) {
    registry.registerPath({
      ...operation(route),
      request: { ...parameters(route), ...requestBody(route) },
      responses: {
        200: { description: 'Success', content: { 'application/json': { schema: envelope(route.reply) } } },
        ...failures(route.errors),
      },
    })
  }
  for (const document of documents) {
    const others = Object.entries(document.alsoAnswers ?? {}).map(([status, description]) => [status, { description }])
    registry.registerPath({
      ...operation(document),
      request: {
        ...parameters(document),
        ...(document.form ? { body: { required: true, content: { [FORM]: { schema: document.form } } } } : {}),
      },
      responses: {
        200: { description: 'Success', content: { [document.contentType]: { schema: document.reply } } },
        ...Object.fromEntries(others),
      },
    })
  }
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: { title: 'Mini-program auth gateway', version, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: issuer }],
  })
}

function operation({
  method,
  path,
  tag,
  summary,
  access,
}: Pick<RouteDescription, 'path' | 'tag' | 'summary' | 'access'> & { method: RouteDescription['method'] }) {
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

const parameters = ({ params, query }: Pick<RouteDescription, 'params' | 'query'>) => ({
  ...(params ? { params: params as z.ZodObject } : {}),
  ...(query ? { query: query as z.ZodObject } : {}),
})

function requestBody({ body, upload }: RouteDescription): { body?: ZodRequestBody } {
  if (upload) {
    const { field, maxBytes, accept } = upload
    const file: SchemaObject = { type: 'string', format: 'binary', description: `At most ${maxBytes} bytes.` }
    const schema: SchemaObject = { type: 'object', required: [field], properties: { [field]: file } }
    const encoding = { [field]: { contentType: accept.join(', ') } }
    return { body: { required: true, content: { 'multipart/form-data': { schema, encoding } } } }
  }
  if (!body) return {}
  return { body: { required: !body.safeParse(undefined).success, content: { 'application/json': { schema: body } } } }
}

type SchemaObject = { type: 'string' | 'object'; [keyword: string]: unknown }

const operationId = (method: string, path: string): string =>
  method + path.replaceAll(/[^A-Za-z0-9]+(.)?/g, (_, next: string | undefined) => next?.toUpperCase() ?? '')

const envelope = (data: z.ZodType) => z.object({ code: z.literal('00000'), msg: z.string(), data })

/** One response a status, naming each code it may carry. */
function failures(codes: readonly ErrorCode[]): Record<string, ResponseConfig> {
  const responses: Record<string, ResponseConfig> = {}
  for (const code of codes) {
    const { status, en } = errorCodes[code]
    const description = `${code}: ${en}`
    const known = responses[status]
    if (known) known.description += `  \n${description}`
    else responses[status] = { description, content: { 'application/json': { schema: failureSchema } } }
  }
  return responses
}
