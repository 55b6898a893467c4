/** A browser in the place of a mini-program platform: requests by fetch, tokens in memory or for the tab, one renewal at a time. */
import type { MiniProgramApi } from '../miniprogram/miniprogram.ts'

type Response = {
  status: number
  headers: { forEach(each: (value: string, name: string) => void): void }
  text(): Promise<string>
}
export type Fetch = (url: string, init: object) => Promise<Response>

/** What is used of a browser; by default the one that is there. */
export type Browser = {
  location: { href: string; hash: string; pathname: string; search: string; assign(url: string): void }
  history: { state: unknown; replaceState(state: unknown, unused: string, url: string): void }
  fetch: Fetch
  sessionStorage?:
    | { getItem(key: string): string | null; setItem(key: string, value: string): void; removeItem(key: string): void }
    | undefined
  navigator?: { locks?: { request<Result>(name: string, work: () => Promise<Result>): Promise<Result> } }
  BroadcastChannel?: new (
    name: string,
  ) => { onmessage: ((event: { data: unknown }) => void) | null; postMessage(message: unknown): void }
}

type Kept = { refresh_token?: string }
/** Another tab has renewed: who holds `from` holds `kept` from now on. */
type Renewed = { key: string; from: string; kept: Kept }

type Given = { url: string; method?: string; data?: unknown; header?: object; timeout?: number; responseType?: string }

/** `remember`: the tokens outlive a reload of the tab, in sessionStorage, which every script of the page can read. */
export function createBrowserHost(
  browser: Browser,
  { name, remember }: { name: string; remember: boolean },
): MiniProgramApi {
  const memory = new Map<string, string>()
  const disk = remember ? browser.sessionStorage : undefined
  const read = (key: string): string | null | undefined => (disk ? disk.getItem(key) : memory.get(key))
  const put = (key: string, text: string) => (disk ? disk.setItem(key, text) : void memory.set(key, text))

  // A duplicated tab starts with the same tokens; both may go on with them only if each hears of the other's renewals.
  const channel = browser.BroadcastChannel && new browser.BroadcastChannel(name)
  if (channel) {
    channel.onmessage = ({ data }) => {
      const { key, from, kept } = data as Renewed
      const own = JSON.parse(read(key) || '{}') as Kept
      if (own.refresh_token === from) put(key, JSON.stringify(kept))
    }
    // Node would wait for it; browsers do not have this.
    ;(channel as { unref?(): void }).unref?.()
  }

  async function send({ url, method = 'GET', data, header, timeout = 10_000, responseType }: Given) {
    const headers: Record<string, string> = { ...header }
    const json = data !== undefined && data !== null && method !== 'GET' && !(data instanceof ArrayBuffer)
    if (json) headers['Content-Type'] = 'application/json'
    const body = json ? JSON.stringify(data) : data instanceof ArrayBuffer ? data : undefined
    const signal = AbortSignal.timeout(timeout)
    const reply = await browser.fetch(url, { method, headers, body, signal, credentials: 'omit', cache: 'no-store' })
    const found: Record<string, string> = {}
    reply.headers.forEach((value, key) => {
      found[key] = value
    })
    const raw =
      responseType === 'arraybuffer'
        ? await (reply as unknown as { arrayBuffer(): Promise<unknown> }).arrayBuffer()
        : undefined
    return { statusCode: reply.status, header: found, data: raw ?? parsed(await reply.text()) }
  }

  return {
    request({ success, fail, ...given }) {
      send(given).then(success, (error: Error) => {
        fail?.({ errMsg: `request:fail ${error.name === 'TimeoutError' ? 'timeout' : error.message}` })
      })
    },
    getStorageSync: (key) => JSON.parse(read(key) || '{}'),
    setStorageSync(key, value) {
      const before = JSON.parse(read(key) || '{}') as Kept
      put(key, JSON.stringify(value))
      const kept = value as Kept
      if (before.refresh_token && kept.refresh_token && before.refresh_token !== kept.refresh_token)
        channel?.postMessage({ key, from: before.refresh_token, kept } satisfies Renewed)
    },
    removeStorageSync: (key) => (disk ? disk.removeItem(key) : void memory.delete(key)),
    exclusive: (work) => browser.navigator?.locks?.request(name, work) ?? work(),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
