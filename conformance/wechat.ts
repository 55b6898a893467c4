/** The simulated WeChat behind the service, driven over its control URL: codes and signed data of people, faults, and who called. */
import { z } from 'zod'
import { CannotTest } from './requirement.ts'

/** What goes wrong; the simulator's own schema checks it (src/dev/simulator). */
export type Fault = {
  path?: string
  code?: string
  times?: number
  delayMs?: number
  errcode?: number
  errmsg?: string
  errcodeAsString?: boolean
  httpStatus?: number
  headers?: Record<string, string>
  body?: string
  merge?: Record<string, unknown>
  drop?: boolean
  spend?: boolean
}

const callSchema = z.object({
  path: z.string(),
  method: z.string(),
  query: z.record(z.string(), z.string()),
  body: z.string(),
})
/** A call that WeChat received. */
export type Call = z.output<typeof callSchema>

const personSchema = z.object({ openid: z.string(), unionid: z.string().optional(), session_key: z.string() })
export type Person = z.output<typeof personSchema>

const userInfoSchema = z.object({
  userInfo: z.record(z.string(), z.unknown()),
  rawData: z.string(),
  signature: z.string(),
  encryptedData: z.string(),
  iv: z.string(),
})
export type UserInfo = z.output<typeof userInfoSchema>

export type Wechat = {
  /** Where its API and, under /simulator, its controls are. */
  url: string
  /** wx.login: a code good for one exchange; `unionid: false` hides the unionid from it. */
  code(appid: string, person: string, options?: { unionid?: boolean }): Promise<string>
  /** wx.getUserInfo under the person's present session_key. */
  userInfo(appid: string, person: string, options?: UserInfoOptions): Promise<UserInfo>
  /** What WeChat knows of a person, and nobody may be told. */
  person(appid: string, person: string): Promise<Person>
  fail(fault: Fault): Promise<void>
  clearFaults(): Promise<void>
  /** The calls since the last `forgetCalls`, to one path or to all. */
  calls(path?: string): Promise<Call[]>
  forgetCalls(): Promise<void>
}

export type UserInfoOptions = {
  profile?: { nickName?: string; gender?: number; avatarUrl?: string }
  watermark?: { appid?: string; timestamp?: number }
}

export const CODE2SESSION = '/sns/jscode2session'

export function createWechat(url: string): Wechat {
  async function control<T extends z.ZodType>(
    method: string,
    path: string,
    schema: T,
    body?: object,
  ): Promise<z.output<T>> {
    const where = `${method} ${url}/simulator${path}`
    const reply = await fetch(`${url}/simulator${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    }).catch((error: unknown) => {
      throw new CannotTest(`${where}: the simulated WeChat does not answer (${String(error)})`)
    })
    const text = await reply.text()
    if (!reply.ok) throw new CannotTest(`${where}: ${reply.status} ${text}`)
    return schema.parse(text === '' ? undefined : JSON.parse(text))
  }

  return {
    url,
    code: async (appid, person, options = {}) =>
      (await control('POST', '/login', z.object({ code: z.string() }), { appid, person, ...options })).code,
    userInfo: (appid, person, options = {}) =>
      control('POST', '/user-info', userInfoSchema, { appid, person, ...options }),
    person: (appid, person) => control('POST', '/person', personSchema, { appid, person }),
    fail: async (fault) => void (await control('POST', '/faults', z.unknown(), fault)),
    clearFaults: async () => void (await control('DELETE', '/faults', z.undefined())),
    calls: async (path) =>
      (await control('GET', '/calls', z.object({ calls: z.array(callSchema) }))).calls.filter(
        (call) => path === undefined || call.path === path,
      ),
    forgetCalls: async () => void (await control('DELETE', '/stats', z.undefined())),
  }
}
