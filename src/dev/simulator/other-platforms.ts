/** A simulated platform other than WeChat: its page speaks the platform's own forms; people, single-use codes and bad weather are common. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, systemClock } from '../../server/clock.ts'
import type { OtherPlatform } from '../../server/config/config.ts'
import { createPeople, type Member, type People, type SimulatedApp } from './wechat-people.ts'

export type PlatformCall = {
  query: Partial<Record<string, string>>
  form: Partial<Record<string, string>>
  json: Record<string, unknown>
}

/** An object is sent as JSON, a text as it stands. */
export type PlatformAnswer = Record<string, unknown> | string

export type PlatformPage = {
  platform: OtherPlatform
  /** `METHOD /path` to what answers it; anything else is 404. */
  routes: Record<string, (call: PlatformCall) => PlatformAnswer>
  /** The platform's form of a refusal with this code. */
  refusal(code: string): PlatformAnswer
  /** What the gateway is to know a person by. */
  subjectOf(member: Member): string
  /** The session_key in the platform's own length; undefined where there is none. */
  sessionKeyOf(member: Member): string | undefined
  /** Whether a text is signed under the person's current session_key, where the platform asks for that. */
  isSigned?: (member: Member, text: string, signature: string) => boolean
  /** Ends every app token before its time, where there are any. */
  endTokens?: () => void
}

export type PlatformWorld = { people: People; clock: Clock }
export type CreatePlatformPage = (world: PlatformWorld) => PlatformPage

/** Something that goes wrong, for as many calls as given; the oldest applies. What the call does is done nevertheless. */
export type PlatformFault = {
  path?: string
  times?: number
  delayMs?: number
  status?: number
  answer?: PlatformAnswer
}

export type PlatformCallSeen = {
  method: string
  path: string
  query: Record<string, string>
  body: string
  type: string
}

const CAPACITY = 10_000

export function createPlatformSimulator(
  createPage: CreatePlatformPage,
  { apps, clock = systemClock, delayMs = 0 }: { apps: readonly SimulatedApp[]; clock?: Clock; delayMs?: number },
) {
  const people = createPeople(apps, clock, CAPACITY)
  const page = createPage({ people, clock })
  let faults: PlatformFault[] = []
  const seen: PlatformCallSeen[] = []

  function takeFault(path: string): PlatformFault | undefined {
    const fault = faults.find((one) => one.path === undefined || one.path === path)
    if (fault?.times !== undefined) {
      fault.times -= 1
      if (fault.times <= 0) faults = faults.filter((one) => one !== fault)
    }
    return fault
  }

  /** The platform's API: to be served on a port, or called in the place of `fetch`. */
  async function fetch(request: Request): Promise<Response> {
    const { pathname: path, searchParams } = new URL(request.url)
    const query = Object.fromEntries(searchParams)
    const type = request.headers.get('content-type') ?? ''
    const body = await request.text()
    const work = page.routes[`${request.method} ${path}`]
    if (!work) return new Response('not found', { status: 404 })
    if (seen.push({ method: request.method, path, query, body, type }) > CAPACITY) seen.shift()
    const fault = takeFault(path)
    const form = type.includes('form-urlencoded') ? Object.fromEntries(new URLSearchParams(body)) : {}
    const answer = work({ query, form, json: type.includes('json') ? parseBody(body) : {} })
    const delay = delayMs + (fault?.delayMs ?? 0)
    if (delay > 0) {
      await sleep(delay, undefined, { signal: request.signal }).catch(() => request.signal.throwIfAborted())
    }
    const sent = fault?.answer ?? answer
    return new Response(typeof sent === 'string' ? sent : JSON.stringify(sent), {
      status: fault?.status ?? 200,
      headers: { 'content-type': 'application/json;charset=utf-8' },
    })
  }

  return {
    platform: page.platform,
    fetch,
    /** A person opens the app, and its client gets a login code, good for one exchange within five minutes. */
    login: (appid: string, person: string): string => people.mintLogin(appid, person, true),
    subjectOf: (appid: string, person: string): string => page.subjectOf(people.member(appid, person)),
    unionidOf: (appid: string, person: string): string | undefined => people.member(appid, person).unionid,
    sessionKeyOf: (appid: string, person: string): string | undefined =>
      page.sessionKeyOf(people.member(appid, person)),
    isSigned: (appid: string, person: string, text: string, signature: string): boolean =>
      page.isSigned?.(people.member(appid, person), text, signature) ?? false,
    refusal: page.refusal,
    endTokens: () => page.endTokens?.(),
    fail: (fault: PlatformFault) => void faults.push({ ...fault }),
    clearFaults: () => {
      faults = []
    },
    /** What came in, oldest first. */
    seen: (): readonly PlatformCallSeen[] => seen,
  }
}

export type PlatformSimulator = ReturnType<typeof createPlatformSimulator>

function parseBody(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch {
    return {}
  }
}

/** Whether the app's credentials are right, and then its code, which is spent by asking; or why not. */
export function redeem(
  { people }: PlatformWorld,
  { appid, secret, code }: { appid: unknown; secret: unknown; code: unknown },
): Member | 'appid' | 'secret' | 'code' {
  const app = people.findApp(String(appid))
  if (!app) return 'appid'
  if (secret !== app.secret) return 'secret'
  return redeemCode(people, app.appid, code)
}

/** The code alone, where a token stands for the app. */
export function redeemCode(people: People, appid: string, code: unknown): Member | 'code' {
  const found = people.find('login', appid, String(code))
  if (found === 'used' || found === 'invalid') return 'code'
  people.spend(String(code), found)
  return people.visit(found.appid, found.person, found.sessionKey)
}
