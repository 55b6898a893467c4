/** A route as data: what it takes, what it answers and how it may fail. It runs, it validates and it describes itself. */
import { z } from 'zod'
import { type ErrorCode, GatewayError, invalidField, type Words } from '../errors.ts'
import { type Access, type Authenticate, type CallerOf, callerOf } from './auth.ts'
import { type BytesDescription, readForm, readJson, readTyped } from './body.ts'
import { type GatewayContext, languageOf } from './context.ts'
import { success } from './envelope.ts'
import { type FailureForm, failureAs } from './failure.ts'
import type { Streamed } from './streamed.ts'
import type { UploadDescription } from './upload.ts'

type Asked = {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** In Hono's form: `/api/sessions/:sid`. */
  path: string
  tag: string
  summary: string
  access: Access
  params?: z.ZodType
  query?: z.ZodType
  /** Of the body, one of these at most: JSON; application/x-www-form-urlencoded; bytes as they are; one uploaded file. */
  body?: z.ZodType
  /** Members of the body whose values are dropped, not refused, where they cannot be stored. */
  decoration?: readonly string[]
  form?: z.ZodType
  bytes?: BytesDescription
  /** The handler reads it, with readUpload, when it has room for it. */
  upload?: UploadDescription
  errors?: readonly ErrorCode[]
}

/** The common reply: `{code, msg, data}`. */
type InEnvelope = {
  /** Of `data`. */
  reply: z.ZodType
  /** What a success says, where need be by its data; the default is plain. */
  message?: Words | ((data: unknown) => Words)
}

/** A reply of its own form: the handler makes the Response (`rawReply`). */
type Raw = {
  /** By status what it means, or the media types of its body. */
  replies: Readonly<Record<number, string | Readonly<Record<string, z.ZodType>>>>
  /** Headers of a success that callers read, and what they mean. */
  headers?: Readonly<Record<string, string>>
  /** How a failure is told; the default is the envelope. */
  failures?: FailureForm
  /**
   * Served from memory to whoever asks, as often as they ask: no request id, no log line, nothing but a count. The handler makes
   * the whole Response, and should not be asynchronous: then neither is the way to it.
   */
  document?: true
}

export type RouteDescription = Asked & (InEnvelope | Raw)

export type Route = RouteDescription & {
  handle(c: GatewayContext, authenticate: Authenticate): Response | Promise<Response>
}

type Part<Description, Name extends string> =
  Description extends Record<Name, infer Schema extends z.ZodType> ? z.output<Schema> : undefined

export type RouteInput<Description extends RouteDescription> = {
  params: Part<Description, 'params'>
  query: Part<Description, 'query'>
  body: Part<Description, 'body'>
  form: Part<Description, 'form'>
  bytes: Description extends { bytes: BytesDescription } ? Buffer : undefined
  /** Who calls, by the route's `access`. */
  auth: CallerOf<Description['access']>
}

/** What the handler answers is checked against the reply schema by the compiler. */
type Answer<Description> = Description extends { reply: infer Schema extends z.ZodType }
  ? Promise<z.input<Schema> | Streamed<z.input<Schema>>>
  : Response | Promise<Response>

type Handler<Description extends RouteDescription> = (
  input: RouteInput<Description>,
  c: GatewayContext,
) => Answer<Description>

/** Binds a description to what it does. */
export function route<const Description extends RouteDescription>(
  description: Description,
  handler: Handler<Description>,
): Route {
  const described: RouteDescription = description
  const answer = handler as (input: object, c: GatewayContext) => unknown
  if ('reply' in described) return { ...described, handle: inEnvelope(described, answer as Answerer<unknown>) }
  const reply = answer as Answerer<Response>
  return { ...described, handle: described.document ? ofDocument(described, reply) : raw(described, reply) }
}

type Answerer<Result> = (input: object, c: GatewayContext) => Result | Promise<Result>

const plainMessage = { zh: '成功', en: 'ok' }

function inEnvelope(description: Asked & InEnvelope, answer: Answerer<unknown>): Route['handle'] {
  const { message = plainMessage } = description
  return async (c, authenticate) => {
    const data = await answer(await readInput(description, c, authenticate), c)
    return success(c, data, typeof message === 'function' ? message(data) : message)
  }
}

function raw(description: Asked & Raw, answer: Answerer<Response>): Route['handle'] {
  const { failures = 'envelope' } = description
  return async (c, authenticate) => {
    // RFC 6749 section 5.2 is English, and so is what a program logs.
    if (failures !== 'envelope' && failures !== 'page') c.get('request').language = 'en'
    try {
      return await answer(await readInput(description, c, authenticate), c)
    } catch (error) {
      return failureAs[failures](c, error)
    }
  }
}

const ofDocument =
  ({ params, query }: Asked, answer: Answerer<Response>): Route['handle'] =>
  (c) =>
    answer({ params: params && parse(c, params, paramsOf(c)), query: query && parse(c, query, queryOf(c)) }, c)

async function readInput(
  { access, params, query, body, decoration, form, bytes }: Asked,
  c: GatewayContext,
  authenticate: Authenticate,
): Promise<object> {
  return {
    // First: whoever may not call learns nothing from the validation.
    auth: await callerOf(access, c, authenticate),
    params: params && parse(c, params, paramsOf(c)),
    query: query && parse(c, query, queryOf(c)),
    body: body && parse(c, body, await readJson(c, { decoration })),
    form: form && parse(c, form, await readForm(c)),
    bytes: bytes && (await readTyped(c, bytes)),
  }
}

const paramsOf = (c: GatewayContext) => storable(c.req.param())
const queryOf = (c: GatewayContext) => storable(c.req.query())

/** Whatever a schema says of them: PostgreSQL takes no NUL, in a search neither. */
function storable(values: Record<string, string>): Record<string, string> {
  for (const [name, value] of Object.entries(values))
    if (value.includes('\0')) throw invalidField(name.slice(0, 100), 'contains a NUL character')
  return values
}

const locales = { zh: z.locales.zhCN().localeError, en: z.locales.en().localeError }
const isRequired = { zh: '必填', en: 'is required' }

function parse(c: GatewayContext, schema: z.ZodType, value: unknown): unknown {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  // Parsed once more for the words, in the reader's language: only a refused request pays for them.
  const language = languageOf(c)
  const worded = schema.safeParse(value, {
    error: (issue) => (issue.input === undefined ? isRequired[language] : locales[language](issue)),
  })
  // A name is the sender's text: `__proto__` is one as any other.
  const fields: Record<string, string> = Object.create(null)
  for (const issue of worded.error?.issues ?? []) {
    const names = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path]
    for (const path of names) fields[path.map(String).join('.').slice(0, 100) || 'body'] ??= issue.message
  }
  throw new GatewayError('A0400', { fields })
}
