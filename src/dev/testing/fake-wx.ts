/** A `wx` for tests: callbacks only, real HTTP, and WeChat's habits, among them calling a 401 a success; with switches for faults. */
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'

type Callbacks<Result> = {
  success?(result: Result): void
  fail?(reason: { errMsg: string; errno?: number }): void
  complete?(result: unknown): void
}
type RequestResult = {
  data: unknown
  statusCode: number
  header: Record<string, string>
  cookies: string[]
  errMsg: string
}
type RequestOptions = {
  url: string
  method?: string
  data?: unknown
  header?: object
  timeout?: number
  dataType?: string
  responseType?: string
}

/** The documented methods of wx.request; PATCH is not one of them. */
const METHODS = ['OPTIONS', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT']
const MAX_CONCURRENT = 10
const MAX_VALUE_BYTES = 1024 * 1024

export function createFakeWx(options: {
  appid: string
  /** What `wx.login` hands out: the platform's next code for the person who holds the phone. */
  login: () => string | Promise<string>
  model?: string
  /** The phone's disk, by temporary path. */
  files?: Record<string, Uint8Array>
}) {
  const disk = new Map<string, string>()
  const agent = new Agent({ keepAlive: true })
  const waiting: (() => void)[] = []
  let running = 0
  let lost: ((url: string) => boolean)[] = []
  const counts = { logins: 0, checkSessions: 0, mostConcurrent: 0 }
  const controls = {
    /** No network: requests, and wx.login, fail. */
    offline: false,
    /** Storage that is full or forbidden: every write throws. */
    refuseStorage: false,
    /** What wx.checkSession finds. */
    sessionKeyExpired: false,
    /** What the phone is set to. */
    language: 'zh_CN',
    counts,
    /** What lies in storage, by key, as JSON. */
    disk,
    /** The server handles the next request whose URL contains this, but its reply never reaches the phone. */
    loseReply(part: string): void {
      lost.push((url) => url.includes(part))
    },
    close: () => agent.destroy(),
  }

  /** WeChat never calls back within the call itself. */
  function later<Result>(given: Callbacks<Result>, outcome: { ok: Result } | { failed: string; errno?: number }): void {
    setTimeout(() => {
      if ('ok' in outcome) given.success?.(outcome.ok)
      else given.fail?.({ errMsg: outcome.failed, ...(outcome.errno === undefined ? {} : { errno: outcome.errno }) })
      given.complete?.(outcome)
    }, 0)
  }

  function setStorageSync(key: string, value: unknown): void {
    const text = JSON.stringify(value)
    if (controls.refuseStorage || text.length > MAX_VALUE_BYTES)
      throw new Error('setStorage:fail exceed storage max size')
    disk.set(key, text)
  }

  /** At most ten requests are on the wire; the others queue. */
  function enqueue(start: (done: () => void) => void): void {
    const run = () => {
      running++
      counts.mostConcurrent = Math.max(counts.mostConcurrent, running)
      start(() => {
        running--
        waiting.shift()?.()
      })
    }
    if (running < MAX_CONCURRENT) run()
    else waiting.push(run)
  }

  function send(given: RequestOptions & Callbacks<RequestResult>, done: () => void): () => void {
    const { url, method = 'GET', header = {}, timeout = 60_000 } = given
    let finished = false
    const finish = (outcome: Parameters<typeof later<RequestResult>>[1]) => {
      if (finished) return
      finished = true
      done()
      later(given, outcome)
    }
    if (!METHODS.includes(method)) {
      finish({ failed: 'request:fail method is invalid', errno: 600009 })
      return () => {}
    }
    if (controls.offline) {
      finish({
        failed: 'request:fail errcode:-106 cronet_error_code:-106 error_msg:net::ERR_INTERNET_DISCONNECTED',
        errno: 600001,
      })
      return () => {}
    }
    const dropped = lost.findIndex((matches) => matches(url))
    if (dropped >= 0) lost = lost.filter((_, index) => index !== dropped)

    const { query, body, headers } = encode(method, given.data, header)
    headers.referer = `https://servicewechat.com/${options.appid}/devtools/page-frame.html`
    const outgoing = httpRequest(url + (query && (url.includes('?') ? '&' : '?') + query), { method, headers, agent })
    outgoing.setTimeout(timeout, () => outgoing.destroy(new Error('timeout')))
    const failed = (error: Error) => {
      const timedOut = error.message === 'timeout'
      finish({
        failed: timedOut ? 'request:fail timeout' : `request:fail ${error.message}`,
        errno: timedOut ? 5 : 600001,
      })
    }
    outgoing.on('error', failed)
    outgoing.on('response', (incoming) => {
      const bytes: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => bytes.push(chunk))
      incoming.on('error', failed)
      incoming.on('end', () => {
        if (dropped >= 0) finish({ failed: 'request:fail net::ERR_CONNECTION_RESET', errno: 600001 })
        else finish({ ok: result(incoming, Buffer.concat(bytes), given) })
      })
    })
    outgoing.end(body)
    return () => outgoing.destroy(new Error('abort'))
  }

  const wx = {
    request(given: RequestOptions & Callbacks<RequestResult>) {
      let abort = () => {}
      enqueue((done) => {
        abort = send(given, done)
      })
      return { abort: () => abort() }
    },

    login(given: { timeout?: number } & Callbacks<{ code: string; errMsg: string }> = {}): void {
      if (controls.offline) {
        later(given, { failed: 'login:fail request:fail net::ERR_INTERNET_DISCONNECTED' })
        return
      }
      counts.logins++
      Promise.resolve()
        .then(options.login)
        .then(
          (code) => {
            // A login code renews the session_key.
            controls.sessionKeyExpired = false
            later(given, { ok: { code, errMsg: 'login:ok' } })
          },
          () => later(given, { failed: 'login:fail system error' }),
        )
    },

    checkSession(given: Callbacks<{ errMsg: string }> = {}): void {
      counts.checkSessions++
      if (controls.sessionKeyExpired) later(given, { failed: 'checkSession:fail session_key expired' })
      else later(given, { ok: { errMsg: 'checkSession:ok' } })
    },

    getStorageSync(key: string): unknown {
      const text = disk.get(key)
      return text === undefined ? '' : JSON.parse(text)
    },
    setStorageSync,
    removeStorageSync(key: string): void {
      disk.delete(key)
    },
    getStorage(given: { key: string } & Callbacks<{ data: unknown }>): void {
      if (disk.has(given.key)) later(given, { ok: { data: wx.getStorageSync(given.key) } })
      else later(given, { failed: 'getStorage:fail data not found' })
    },
    setStorage(given: { key: string; data: unknown } & Callbacks<{ errMsg: string }>): void {
      try {
        setStorageSync(given.key, given.data)
        later(given, { ok: { errMsg: 'setStorage:ok' } })
      } catch {
        later(given, { failed: 'setStorage:fail exceed storage max size' })
      }
    },

    getAccountInfoSync: () => ({
      miniProgram: { appId: options.appid, envVersion: 'develop', version: '' },
      plugin: {},
    }),
    getAppBaseInfo: () => ({ language: controls.language, version: '8.0.50', SDKVersion: '3.7.0' }),
    getDeviceInfo: () => ({
      brand: 'devtools',
      model: options.model ?? 'iPhone 15',
      system: 'iOS 18.1',
      platform: 'devtools',
    }),
    getFileSystemManager: () => ({
      readFile(
        given: { filePath: string; encoding?: string } & Callbacks<{ data: string | ArrayBuffer; errMsg: string }>,
      ): void {
        const file = options.files?.[given.filePath]
        if (!file) {
          later(given, { failed: `readFile:fail no such file or directory, open "${given.filePath}"`, errno: 1300002 })
          return
        }
        const data =
          given.encoding === undefined
            ? Uint8Array.from(file).buffer
            : Buffer.from(file).toString(given.encoding as BufferEncoding)
        later(given, { ok: { data, errMsg: 'readFile:ok' } })
      },
    }),
  }

  return { wx, controls }
}

/** The documented conversions: GET data become the query; the rest goes by content type; strings and buffers go as they are. */
function encode(method: string, data: unknown, header: object) {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  for (const [name, value] of Object.entries(header)) {
    if (!/^referer$/i.test(name)) headers[name.toLowerCase()] = String(value)
  }
  const pairs = () =>
    Object.entries((data ?? {}) as object)
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`)
      .join('&')
  if (data instanceof ArrayBuffer) return { query: '', body: Buffer.from(data), headers }
  if (data === undefined || data === null) return { query: '', body: undefined, headers }
  if (typeof data === 'string') return { query: '', body: data, headers }
  if (method === 'GET') return { query: pairs(), body: undefined, headers }
  const form = /x-www-form-urlencoded/i.test(headers['content-type'] ?? '')
  return { query: '', body: form ? pairs() : JSON.stringify(data), headers }
}

/** Every status is a success; header names stay as the server spelled them; JSON is parsed whatever its content type says. */
function result(incoming: IncomingMessage, bytes: Buffer, given: RequestOptions): RequestResult {
  const header: Record<string, string> = {}
  for (let index = 0; index < incoming.rawHeaders.length; index += 2) {
    header[incoming.rawHeaders[index] ?? ''] = incoming.rawHeaders[index + 1] ?? ''
  }
  let data: unknown = bytes.toString('utf8')
  if (given.responseType === 'arraybuffer') data = Uint8Array.from(bytes).buffer
  else if ((given.dataType ?? 'json') === 'json') {
    try {
      data = JSON.parse(String(data))
    } catch {
      // Left as text, as WeChat does.
    }
  }
  const cookies = incoming.headers['set-cookie'] ?? []
  return { data, statusCode: incoming.statusCode ?? 0, header, cookies, errMsg: 'request:ok' }
}
