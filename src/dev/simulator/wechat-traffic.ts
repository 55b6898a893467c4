/** The weather between the gateway and the simulated WeChat: faults on demand, delays, and counts of what came in. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from 'hono'
import { z } from 'zod'
import { type Answer, refusal } from './wechat-errcodes.ts'

/** The paths of WeChat that are simulated; everything else is 40066 and is not counted. */
const API_PATHS = [
  '/sns/jscode2session',
  '/sns/oauth2/access_token',
  '/sns/userinfo',
  '/cgi-bin/token',
  '/cgi-bin/stable_token',
  '/wxa/business/getuserphonenumber',
  '/wxa/checksession',
  '/wxa/resetusersessionkey',
  '/wxa/msg_sec_check',
  '/cgi-bin/message/subscribe/send',
] as const
export type ApiPath = (typeof API_PATHS)[number]

export const faultSchema = z.strictObject({
  /** One API path; without it, every path. */
  path: z.enum(API_PATHS).optional(),
  /** The exchange of this one login code; without it, every call. */
  code: z.string().optional(),
  /** How many calls it lasts; without it, until clearFaults. */
  times: z.int().positive().optional(),
  /** The answer is held back this long; what the call does (spending a code) is done before. */
  delayMs: z.int().nonnegative().optional(),
  errcode: z.int().optional(),
  errmsg: z.string().optional(),
  /** Serves the errcode as a string, as one official sample does. */
  errcodeAsString: z.boolean().optional(),
  httpStatus: z.int().min(200).max(599).optional(),
  /** Served as it stands: HTML, nothing, truncated JSON. */
  body: z.string().optional(),
  /** Members put into the answer over its own: `{"openid": ""}`, or the `expires_in` that old accounts get. */
  merge: z.record(z.string(), z.json()).optional(),
  /** Headers over the usual ones; an empty text takes one away. */
  headers: z.record(z.string(), z.string()).optional(),
  /** Closes the connection instead of answering. */
  drop: z.boolean().optional(),
  /** WeChat does its work (the code is spent) and only the answer is lost: "-1, then 40163". */
  spend: z.boolean().optional(),
})

/** Something that goes wrong. The oldest fault that fits a call is the one that applies. */
export type Fault = z.infer<typeof faultSchema>

export type LastRequest = { method: string; query: Record<string, string>; headers: Headers; body: string }
/** A call as it came in. */
export type ReceivedCall = { path: ApiPath; method: string; query: Record<string, string>; body: string }

type SimulatorContext = Context<{ Bindings: Partial<HttpBindings> }>

/** How many calls are kept to be read. */
const MAX_RECEIVED = 1000

export function createTraffic(baseDelayMs: number) {
  const faults: { fault: Fault; left: number }[] = []
  const calls = new Map<ApiPath, number>()
  const received: { path: ApiPath; request: Request; body: string }[] = []
  let inFlight = 0
  let maxInFlight = 0

  function takeFault(path: ApiPath, code: string | undefined): Fault | undefined {
    const index = faults.findIndex(
      ({ fault }) =>
        (fault.path === undefined || fault.path === path) && (fault.code === undefined || fault.code === code),
    )
    const entry = faults[index]
    if (!entry) return undefined
    entry.left -= 1
    if (entry.left <= 0) faults.splice(index, 1)
    return entry.fault
  }

  /** Counts one call, lets `work` answer it unless a fault says otherwise, and sends it out as `contentType`. */
  async function pass(
    c: SimulatorContext,
    path: ApiPath,
    contentType: string,
    work: (body: string) => Answer,
  ): Promise<Response> {
    const { method } = c.req
    calls.set(path, (calls.get(path) ?? 0) + 1)
    inFlight += 1
    maxInFlight = Math.max(maxInFlight, inFlight)
    try {
      const body = method === 'GET' || method === 'HEAD' ? '' : await c.req.text()
      received.push({ path, request: c.req.raw, body })
      if (received.length > MAX_RECEIVED) received.shift()
      const fault = takeFault(path, c.req.query('js_code') ?? c.req.query('code'))
      const answer = fault ? spoil(fault, () => work(body)) : work(body)
      const delayMs = baseDelayMs + (fault?.delayMs ?? 0)
      if (delayMs > 0) await holdBack(c, delayMs)
      if (fault?.drop) return drop(c)
      const text = typeof answer === 'string' ? answer : JSON.stringify(answer)
      return new Response(encoded(text), {
        status: fault?.httpStatus ?? 200,
        headers: withoutEmpty({ 'content-type': contentType, ...fault?.headers }),
      })
    } finally {
      inFlight -= 1
    }
  }

  return {
    pass,
    fail: (fault: Fault) => {
      const checked = faultSchema.parse(fault)
      faults.push({ fault: checked, left: checked.times ?? Number.POSITIVE_INFINITY })
    },
    clearFaults: () => {
      faults.length = 0
    },
    calls: (path: ApiPath): number => calls.get(path) ?? 0,
    maxInFlight: (): number => maxInFlight,
    lastRequest: (path: ApiPath): LastRequest | undefined => {
      const seen = received.findLast((call) => call.path === path)
      if (!seen) return undefined
      const { request, body } = seen
      return { method: request.method, query: queryOf(request), headers: new Headers(request.headers), body }
    },
    /** The newest calls since `resetStats`, the oldest of them first. */
    receivedCalls: (): ReceivedCall[] =>
      received.map(({ path, request, body }) => ({ path, method: request.method, query: queryOf(request), body })),
    stats: () => ({ calls: Object.fromEntries(calls), inFlight, maxInFlight, faults: faults.length }),
    resetStats: () => {
      calls.clear()
      received.length = 0
      maxInFlight = inFlight
    },
  }
}

export type Traffic = Pick<ReturnType<typeof createTraffic>, 'pass'>

const queryOf = (request: Request) => Object.fromEntries(new URL(request.url).searchParams)

/** As bytes, so that no Content-Type is added to an answer that is to have none. */
const encoded = (text: string) => new TextEncoder().encode(text)

const withoutEmpty = (headers: Record<string, string>) =>
  Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ''))

function spoil(fault: Fault, work: () => Answer): Answer | string {
  const { errcode, errmsg, body, drop, httpStatus } = fault
  const replaced = errcode !== undefined || body !== undefined || drop === true || httpStatus !== undefined
  const real = !replaced || fault.spend ? work() : {}
  if (body !== undefined) return body
  if (errcode === undefined && replaced) return ''
  const answer = { ...(errcode === undefined ? real : refusal(errcode, errmsg)), ...fault.merge }
  if (fault.errcodeAsString && answer.errcode !== undefined) return { ...answer, errcode: String(answer.errcode) }
  return answer
}

// In process there is no socket that an impatient caller could close, so its abort signal is heard instead.
async function holdBack(c: SimulatorContext, delayMs: number): Promise<void> {
  if (c.env?.incoming) await sleep(delayMs)
  else {
    const { signal } = c.req.raw
    await sleep(delayMs, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

// In process a dropped connection is what fetch makes of it: a TypeError.
function drop(c: SimulatorContext): Response {
  const socket = c.env?.incoming?.socket
  if (!socket) throw new TypeError('fetch failed', { cause: new Error('the simulator dropped the connection') })
  socket.destroy()
  return RESPONSE_ALREADY_SENT
}
