/** The service under test as the profile describes it: its acts, each sent to the next of its base URLs. */
import { decodeJwt } from 'jose'
import { type Answer, createHttp, type Http } from './http.ts'
import type { App, Profile, RequestSpec } from './profile.ts'
import { fill, memberAt, type Values } from './template.ts'

export type SendOptions = {
  /** Instead of the body that the profile describes. */
  body?: string | Uint8Array | ReadableStream<Uint8Array> | undefined
  /** Over the profile's; an empty text takes one away. */
  headers?: Record<string, string> | undefined
  method?: string
  path?: string
  /** Members added to the JSON body. */
  extra?: Record<string, unknown> | undefined
  /** Which replica, instead of the next one. */
  base?: number
}

export type LoginOptions = SendOptions & { app?: App | undefined }

export type Service = Readonly<{
  profile: Profile
  http: Http
  bases: readonly string[]
  login(code: string, options?: LoginOptions): Promise<Answer>
  refresh(refreshToken: string, options?: SendOptions): Promise<Answer>
  logout(tokens: Tokens, options?: SendOptions): Promise<Answer>
  me(accessToken: string, options?: SendOptions): Promise<Answer>
  /** Any request of the profile. */
  call(spec: RequestSpec, values: Values, options?: SendOptions): Promise<Answer>
  get(path: string, headers?: Record<string, string>, base?: number): Promise<Answer>
  succeeded(answer: Answer): boolean
  /** The tokens of a successful login or refresh. */
  tokensIn(answer: Answer): Tokens
}>

export type Tokens = {
  access: string
  refresh: string | undefined
  expiresIn: number | undefined
  user: string | undefined
  isNew: unknown
  nickname: unknown
}

export type ServiceParts = {
  profile: Profile
  bases: readonly string[]
  internal: string | undefined
  /** For {names} of the profile that only its owner knows, such as an operator's token. */
  values: Readonly<Record<string, string>>
}

export function createService({ profile, bases, internal, values }: ServiceParts): Service {
  const http = createHttp()
  let turn = 0

  const baseOf = (index: number | undefined) => bases[(index ?? turn++) % bases.length] ?? ''

  function urlOf(listener: RequestSpec['listener'], path: string, base: number | undefined): string {
    if (listener === 'public') return baseOf(base) + path
    if (internal === undefined) throw new Error('the profile uses the internal listener: give --internal')
    return internal + path
  }

  async function call(spec: RequestSpec, own: Values, options: SendOptions = {}): Promise<Answer> {
    const all = { ...values, ...own }
    const method = options.method ?? spec.method
    const filled = fill(spec.path, all, encodeURIComponent) as string
    const body = 'body' in options ? options.body : bodyOf(spec, all, options.extra)
    const type = body === undefined || body instanceof ReadableStream ? {} : { 'content-type': typeOf(spec) }
    const headers = { ...type, ...(fill(spec.headers, all) as Record<string, string>), ...options.headers }
    const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ''))
    return await http.send({
      method,
      url: urlOf(spec.listener, options.path ?? filled, options.base),
      headers: sent,
      body,
    })
  }

  function succeeded({ status, json }: Answer): boolean {
    const { where } = profile.success
    return (
      [profile.success.status].flat().includes(status) &&
      Object.entries(where).every(([path, value]) => memberAt(json, path) === value)
    )
  }

  function tokensIn(reply: Answer): Tokens {
    const { answer } = profile.login
    const access = textAt(reply, answer.accessToken) ?? ''
    const expiresIn = valueAt(reply, answer.expiresIn)
    return {
      access,
      refresh: textAt(reply, answer.refreshToken),
      expiresIn: typeof expiresIn === 'number' ? expiresIn : undefined,
      user: textAt(reply, answer.user) ?? subjectOf(access),
      isNew: valueAt(reply, answer.isNew),
      nickname: valueAt(reply, answer.nickname),
    }
  }

  function offered<T>(spec: T | undefined, what: string): T {
    if (spec === undefined) throw new Error(`the profile has no ${what}`)
    return spec
  }

  return {
    profile,
    http,
    bases,
    login: (code, { app = profile.apps.main, ...options } = {}) =>
      call(profile.login, { code, appid: app.appid }, options),
    refresh: (refreshToken, options) =>
      call(offered(profile.refresh, 'refresh'), { refresh_token: refreshToken }, options),
    logout: ({ access, refresh }, options) =>
      call(offered(profile.logout, 'logout'), { access_token: access, refresh_token: refresh }, options),
    me: (accessToken, options) => call(offered(profile.me, 'me'), { access_token: accessToken }, options),
    call,
    get: (path, headers = {}, base) => http.send({ method: 'GET', url: baseOf(base) + path, headers }),
    succeeded,
    tokensIn,
  }
}

const typeOf = ({ form }: RequestSpec) =>
  form === undefined ? 'application/json' : 'application/x-www-form-urlencoded'

function bodyOf(spec: RequestSpec, values: Values, extra: Record<string, unknown> = {}): string | undefined {
  if (spec.form !== undefined)
    return new URLSearchParams({
      ...(fill(spec.form, values) as Record<string, string>),
      ...(extra as object),
    }).toString()
  if (spec.body === undefined) return undefined
  return JSON.stringify({ ...(fill(spec.body, values) as object), ...extra })
}

/** What stands at a path of the profile: `header:<name>`, `cookie:<name>`, or a member of the JSON body. */
function valueAt({ headers, json }: Answer, path: string | undefined): unknown {
  const [, place, name = ''] = /^(header|cookie):(.+)$/.exec(path ?? '') ?? []
  if (place === 'header') return headers.get(name)?.replace(/^Bearer /i, '')
  if (place === undefined) return memberAt(json, path)
  const cookie = headers.getSetCookie().find((each) => each.startsWith(`${name}=`))
  return cookie?.slice(name.length + 1).split(';')[0]
}

/** Ids are texts here, and may be numbers there. */
export function textAt(answer: Answer, path: string | undefined): string | undefined {
  const value = valueAt(answer, path)
  return typeof value === 'number' ? String(value) : typeof value === 'string' && value !== '' ? value : undefined
}

function subjectOf(access: string): string | undefined {
  try {
    return decodeJwt(access).sub
  } catch {
    return undefined
  }
}
