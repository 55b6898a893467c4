/**
 * A WeChat to develop and test against: its real paths, codes, keys, refusals and faults, with a mini-program client
 * built in, so that login can be driven end to end without an account or a network.
 */
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { type Clock, systemClock } from '../../server/clock.ts'
import { weChatApi } from './wechat-api.ts'
import { createSimulatorClient } from './wechat-client.ts'
import { controlRoutes } from './wechat-control.ts'
import { createCredentials } from './wechat-credentials.ts'
import { oauthApi } from './wechat-oauth.ts'
import { createOpenData } from './wechat-open-data.ts'
import { createPeople, type SimulatedApp } from './wechat-people.ts'
import { createPushes, type PushTarget } from './wechat-push.ts'
import { createTraffic } from './wechat-traffic.ts'

export type { SimulatedApp } from './wechat-people.ts'
export type { Fault } from './wechat-traffic.ts'

export type WechatSimulatorOptions = {
  apps: readonly SimulatedApp[]
  clock?: Clock
  /** How long every answer of the API takes. */
  delayMs?: number
  /** How many people, unused codes and spent codes are remembered, each. */
  capacity?: number
  /** Where events are pushed to, as the form in WeChat's console has it. */
  push?: PushTarget | undefined
  /** Sends them. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>
}

/**
 * The simulator; `person` is any name for a human, and the same name gives the same openid and unionid, always.
 *
 * `dev:<person>:<nonce>` is a login code and `dev-phone:<person>:<nonce>` a phone code that nobody has to fetch first:
 * each is minted for the calling app when first seen and is single use from then on.
 */
export function createWechatSimulator({
  apps,
  clock = systemClock,
  delayMs = 0,
  capacity = 500_000,
  push,
  fetch: sendPush = globalThis.fetch,
}: WechatSimulatorOptions) {
  const people = createPeople(apps, clock, capacity)
  const credentials = createCredentials(clock)
  const openData = createOpenData(people, clock)
  const { pass, ...weather } = createTraffic(delayMs)

  const played = createSimulatorClient({ people, credentials, openData, weather })
  const pushes = createPushes({ target: push, openidOf: played.openidOf, clock, fetch: sendPush })
  const client = { ...played, ...pushes }

  const app = new Hono<{ Bindings: Partial<HttpBindings> }>()
  app.onError((error) => {
    throw error
  })
  app.route('/simulator', controlRoutes({ ...client, apps }))
  app.route('/', oauthApi({ people, traffic: { pass }, clock }))
  app.route('/', weChatApi({ people, credentials, traffic: { pass }, clock }))

  /** The API in process, in the place of `fetch`; hears the abort signal. */
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    init?.signal?.throwIfAborted()
    return app.request(input instanceof URL ? input.href : input, init)
  }

  return { app, fetch, ...client }
}

export type WechatSimulator = ReturnType<typeof createWechatSimulator>
