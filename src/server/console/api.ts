/** The console as a caller of the operators' API: the same routes, scopes, validation, audit and log lines as for a program. */

import { GatewayError } from '../errors.ts'
import { type AppParts, createApp } from '../http/app.ts'
import type { Authenticate } from '../http/auth.ts'
import type { GatewayContext, GatewayEnv } from '../http/context.ts'
import type { Route } from '../http/route.ts'
import type { ConsoleSession } from './session.ts'

/** The envelope; data is what the route's schema says. */
// biome-ignore lint/suspicious/noExplicitAny: each page knows the schema of the route that it asks.
export type ApiReply = { status: number; code: string; msg: string; data: any; fields?: Record<string, string> }

export type Ask = (method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown) => Promise<ApiReply>

export type ConsoleApiParts = Pick<AppParts, 'log' | 'metrics' | 'draining'> & { routes: readonly Route[] }

export function createConsoleApi({ routes, log, metrics, draining }: ConsoleApiParts) {
  /** By the environment object of the one request that an operator's page makes: nothing from outside can name it. */
  const callers = new WeakMap<object, ConsoleSession>()
  const authenticate: Authenticate = {
    async user() {
      throw new GatewayError('A0230', { note: 'the console calls for operators alone' })
    },
    service(c, scope) {
      const caller = callers.get(c.env)
      if (!caller) throw new GatewayError('A0230', { note: 'no console session' })
      if (scope !== 'admin-read' && scope !== caller.scope)
        throw new GatewayError('A0312', {
          note: `${caller.name} lacks the scope ${scope}`,
          words: { zh: `缺少权限 ${scope}`, en: `The scope ${scope} is needed.` },
        })
      return { name: caller.name, only: undefined }
    },
  }
  const app = createApp({
    ...{ routes, authenticate, log, metrics, draining },
    listener: 'internal',
    tracing: undefined,
    trustedProxyHops: 0,
    webOrigins: [],
  })

  return (c: GatewayContext, session: ConsoleSession, language: 'zh' | 'en'): Ask =>
    async (method, path, body) => {
      const env = { ...c.env } satisfies GatewayEnv['Bindings']
      callers.set(env, session)
      const headers = { 'accept-language': language, 'x-request-id': c.get('request').requestId }
      const sent = body === undefined ? {} : { body: JSON.stringify(body) }
      const type = body === undefined ? {} : { 'content-type': 'application/json' }
      const reply = await app.request(path, { method, headers: { ...headers, ...type }, ...sent }, env)
      return { status: reply.status, ...((await reply.json()) as Omit<ApiReply, 'status'>) }
    }
}
