/** What the SDK needs of a mini-program platform, as promises, over the callback globals of WeChat and the others. */
import { AuthError } from './error.ts'

type Callbacks<Result> = { success?(result: Result): void; fail?(reason: { errMsg: string }): void }

/** The part of `wx` (or `uni`, `Taro`, `tt`, `qq`, `my`, `swan`, `ks`) that the SDK touches. */
export type MiniProgramApi = {
  request(options: HostRequest & Callbacks<{ statusCode: number; header: object; data: unknown }>): unknown
  login?(options: { timeout?: number } & Callbacks<{ code: string }>): unknown
  checkSession?(options: Callbacks<unknown>): unknown
  getStorageSync(key: string): unknown
  setStorageSync(key: string, value: unknown): void
  removeStorageSync(key: string): void
  getAccountInfoSync?(): { miniProgram: { appId: string } }
  getBackgroundFetchData?(options: { fetchType: 'pre' } & Callbacks<{ fetchedData: string }>): unknown
  /** Of a browser: runs the work while no other page of its origin does. */
  exclusive?<Result>(work: () => Promise<Result>): Promise<Result>
  getFileSystemManager?(): {
    readFile(options: { filePath: string } & Callbacks<{ data: string | ArrayBuffer }>): void
  }
}
export type HostRequest = {
  url: string
  method?: string
  data?: unknown
  header?: object
  timeout?: number
  responseType?: string
}

export type HostReply = { statusCode: number; header: Record<string, string>; data: unknown }
export type Host = ReturnType<typeof adapt>

/** What a platform may answer with; they differ in names, never in meaning, so whichever is there is used. */
type Answer = Partial<HostReply> & {
  status?: number
  headers?: Record<string, string>
  errMsg?: string
  code?: string
  authCode?: string
  fetchedData?: string
}
type About = { appId?: string; miniProgram?: About; microapp?: About; model?: string }
type Method = (...given: unknown[]) => unknown
type Api = Record<string, Method | undefined>

// The globals of a mini program live in its module scope, not on an object, so each must be asked for by name.
declare const wx: unknown, qq: unknown, tt: unknown, my: unknown, swan: unknown, ks: unknown

// Every mini program has timers; the language's own library does not name them.
declare function setTimeout(run: () => void, ms: number): unknown
declare function clearTimeout(timer: unknown): void

/** Beyond the platform's own time limit: a call that never answers must not hold up everything after it. */
const GRACE_MS = 3000
const SILENT_MS = 10_000

/** Runs a call that answers by its callback, and answers `late` where none comes in time. */
const inTime = <Value>(ms: number, late: Value, run: (done: (value: Value) => void) => void) =>
  new Promise<Value>((resolve) => {
    const timer = setTimeout(() => resolve(late), ms)
    run((value) => {
      clearTimeout(timer)
      resolve(value)
    })
  })

/** The other platforms come first: some of them offer an imitation of `wx` too. */
function detect(): unknown {
  for (const global of [() => qq, () => tt, () => my, () => swan, () => ks, () => wx]) {
    const found = attempt(global)
    if (found) return found
  }
  throw new AuthError('NO_PLATFORM', '不在小程序中')
}

/** For what may not be there, or be refused by the user, and must not stop a login. */
export function attempt<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch (_) {
    return undefined
  }
}

export function adapt(given: MiniProgramApi | undefined) {
  const api = (given || detect()) as Api
  // Alipay (my) has getAuthCode for a login, and storage calls that take one object and wrap what they return.
  const alipay = 'getAuthCode' in api

  // As methods of their object: the platforms may rely on `this`.
  const run = (name: string, ...given: unknown[]): unknown => (api[name] as Method).apply(api, given)
  /** Resolves whatever happens: what a platform calls a success differs. */
  const call = (name: string, options: object, on = api) =>
    inTime<Answer>(
      ((options as HostRequest).timeout || SILENT_MS) + GRACE_MS,
      { errMsg: `${name}:fail timeout` },
      (done) => {
        const answered = (on[name] as Method).call(on, Object.assign({ success: done, fail: done }, options))
        // Taro answers twice, by a promise too, whose failure would be reported as unhandled.
        Promise.resolve(answered).catch(done)
      },
    )
  const store = (verb: string, key: string, value?: unknown) =>
    alipay ? run(`${verb}StorageSync`, { key, data: value }) : run(`${verb}StorageSync`, key, value)
  const ask = (...names: string[]): About =>
    (attempt(() => run(names.find((name) => api[name]) as string)) as About | undefined) || {}

  return {
    /** `force` lets Douyin show its sign-in box; a silent login must not, and tt.login's default is true. */
    async login(force: boolean, timeout: number): Promise<string> {
      const answer = await call(alipay ? 'getAuthCode' : 'login', { force, timeout, scopes: 'auth_base' })
      const code = answer.code || answer.authCode
      if (!code) throw new AuthError('LOGIN_FAILED', '登录失败', { body: answer.errMsg })
      return code
    },

    /** Whether the platform still knows the session_key of its latest login; one without the call has no such key. */
    checkSession: (): boolean | Promise<boolean> =>
      !api.checkSession ||
      inTime(SILENT_MS, false, (done) => run('checkSession', { success: () => done(true), fail: () => done(false) })),

    /** What WeChat fetched before the program ran; an empty text where there is none. */
    prefetched: async (): Promise<string> =>
      (api.getBackgroundFetchData && (await call('getBackgroundFetchData', { fetchType: 'pre' })).fetchedData) || '',

    exclusive: <Result>(work: () => Promise<Result>): Promise<Result> =>
      api.exclusive ? (run('exclusive', work) as Promise<Result>) : work(),

    /** Resolves for every HTTP status, as wx.request does and my.request (error 19) does not. */
    async send(request: HostRequest): Promise<HostReply> {
      const options = Object.assign({ headers: request.header }, request)
      const answer = await call('request', options)
      const statusCode = answer.statusCode || answer.status
      if (!statusCode) {
        const timeout = /time.?out/i.test(answer.errMsg || '')
        throw new AuthError(timeout ? 'TIMEOUT' : 'NETWORK', '网络异常', { body: answer.errMsg })
      }
      return { statusCode, header: answer.header || answer.headers || {}, data: answer.data }
    },

    read(key: string): unknown {
      const found = store('get', key)
      return alipay ? (found as { data?: unknown }).data : found
    },
    write: (key: string, value: unknown): unknown => store('set', key, value),
    remove: (key: string): unknown => store('remove', key),

    async readFile(filePath: string): Promise<ArrayBuffer> {
      const { data } = await call('readFile', { filePath }, run('getFileSystemManager') as Api)
      if (!data) throw new AuthError('FILE', '无法读取文件')
      return data as ArrayBuffer
    },

    appid(): string | undefined {
      const about = ask('getAccountInfoSync', 'getAppIdSync', 'getEnvInfoSync')
      return (about.miniProgram || about.microapp || about).appId
    },

    /** A name for the user's own list of sessions, such as "iPhone 15". */
    device(): string {
      const { model = '' } = ask('getDeviceInfo', 'getSystemInfoSync')
      return model.slice(0, 100)
    },
  }
}
