/** A route as data: what it takes, what it answers and how it may fail. It runs, it validates and it describes itself. */
import type { Hono } from 'hono'
import { z } from 'zod'
import { type ErrorCode, GatewayError } from '../errors.ts'
import { type Access, type Authenticate, type CallerOf, callerOf } from './auth.ts'
import type { GatewayContext, GatewayEnv } from './context.ts'
import { success } from './envelope.ts'
import { readJson } from './json-body.ts'
import type { UploadDescription } from './upload.ts'

export type RouteDescription = {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** In Hono's form: `/api/sessions/:sid`. */
  path: string
  tag: string
  summary: string
  access: Access
  params?: z.ZodType
  query?: z.ZodType
  body?: z.ZodType
  /** One file as multipart/form-data instead of a body; the handler reads it, with readUpload. */
  upload?: UploadDescription
  reply: z.ZodType
  errors: readonly ErrorCode[]
  /** What a success says; the default is plain. */
  message?: { zh: string; en: string }
}

export type Route = RouteDescription & { handle(c: GatewayContext, authenticate: Authenticate): Promise<Response> }

type Out<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined

export type RouteInput<Description extends RouteDescription> = {
  params: Out<Description['params']>
  query: Out<Description['query']>
  body: Out<Description['body']>
  /** Who calls, by the route's `access`. */
  auth: CallerOf<Description['access']>
}

const plainMessage = { zh: '成功', en: 'ok' }

/** Binds a description to what it does; what the handler answers is checked against the reply schema by the compiler. */
export function route<const Description extends RouteDescription>(
  description: Description,
  handler: (input: RouteInput<Description>, c: GatewayContext) => Promise<z.input<Description['reply']>>,
): Route {
  const { access, params, query, body, message = plainMessage } = description
  return {
    ...description,
    async handle(c, authenticate) {
      const input = {
        // First: whoever may not call learns nothing from the validation.
        auth: await callerOf(access, c, authenticate),
        params: params && parse(c, params, c.req.param()),
        query: query && parse(c, query, c.req.query()),
        body: body && parse(c, body, await readJson(c)),
      } as RouteInput<Description>
      return success(c, await handler(input, c), message)
    },
  }
}

const locales = { zh: z.locales.zhCN().localeError, en: z.locales.en().localeError }
const isRequired = { zh: '必填', en: 'is required' }

function parse(c: GatewayContext, schema: z.ZodType, value: unknown): unknown {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  // Parsed once more for the words, in the reader's language: only a refused request pays for them.
  const { language } = c.get('request')
  const worded = schema.safeParse(value, {
    error: (issue) => (issue.input === undefined ? isRequired[language] : locales[language](issue)),
  })
  const fields: Record<string, string> = {}
  for (const issue of worded.error?.issues ?? []) {
    const names = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path]
    for (const path of names) fields[path.map(String).join('.').slice(0, 100) || 'body'] ??= issue.message
  }
  throw new GatewayError('A0400', { fields })
}

/** wx.request knows no PATCH, a DELETE of it may lose its body, and wx.uploadFile only POSTs: a POST with this header stands for each. */
const METHOD_OVERRIDE = 'x-http-method-override'

export function mount(app: Hono<GatewayEnv>, routes: readonly Route[], authenticate: Authenticate): void {
  for (const { method, path, ...each } of routes) {
    const verb = method.toUpperCase()
    const handle = (c: GatewayContext) => each.handle(c, authenticate)
    app.on(verb, path, handle)
    if (!['PUT', 'PATCH', 'DELETE'].includes(verb)) continue
    app.post(path, (c, next) => (c.req.header(METHOD_OVERRIDE)?.toUpperCase() === verb ? handle(c) : next()))
  }
}
