/** The verifier's only way out to the network: bounded GETs that go to the gateway and nowhere else. */

export type SourceOptions = {
  issuer: string
  /** Where the gateway is reached from here; the issuer itself unless told otherwise. */
  baseUrl?: string | undefined
  fetch: typeof fetch
  timeoutMs: number
  now(): Date
}

/** The gateway says that there is no such document; every other failure may pass. */
export class NotPublished extends Error {}

type Answer = { changed: false } | { changed: true; body: string; etag?: string; maxAgeSeconds?: number }

export type GatewaySource = {
  /** Fetches a URL the gateway published; 304 is `changed: false`; rejects on every other status but 200, with {@link NotPublished} on 404. */
  get(publishedUrl: string, request: { accept: string; maxBytes: number; etag?: string | undefined }): Promise<Answer>
  /** Whether a URL lies under the issuer. Whatever does not is never fetched (SSRF; ASVS 5.0 V9.1.3). */
  publishes(url: string): boolean
  /** How far this host's clock is from the gateway's, in words, where that is more than a minute. */
  clockError(): string | undefined
  close(): void
}

const CLOCK_LIMIT_SECONDS = 60

export function createGatewaySource({ issuer, baseUrl, fetch, timeoutMs, now }: SourceOptions): GatewaySource {
  const published = withSlash(new URL(issuer).href)
  const reached = withSlash(new URL(baseUrl ?? issuer).href)
  const closing = new AbortController()
  let aheadSeconds = 0

  /** `https://auth.example.com/status-lists/1` → `http://gateway.auth-gateway.svc/status-lists/1`. */
  function locate(url: string): string | undefined {
    // Parsed first, so that neither `..` nor `user@host` can lead out of the issuer's own tree.
    const href = URL.parse(url)?.href
    return href?.startsWith(published) ? reached + href.slice(published.length) : undefined
  }

  async function request(url: string, headers: Record<string, string>): Promise<Response> {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)])
    const response = await fetch(url, { headers, redirect: 'error', signal }).catch((cause: unknown) => {
      throw new Error(`${url} cannot be fetched: ${reasonOf(cause)}`, { cause })
    })
    // RFC 9110 section 6.6.1, and RFC 9111 section 5.1 for a reply that a cache has kept.
    const sentAtMs = Date.parse(response.headers.get('date') ?? '') + 1000 * Number(response.headers.get('age') ?? 0)
    if (!Number.isNaN(sentAtMs)) aheadSeconds = Math.round((now().getTime() - sentAtMs) / 1000)
    return response
  }

  return {
    publishes: (url) => locate(url) !== undefined,

    async get(publishedUrl, { accept, maxBytes, etag }) {
      const url = locate(publishedUrl)
      if (url === undefined) throw new Error(`${publishedUrl} is not under the issuer ${issuer}, so it is not fetched`)
      const response = await request(url, etag === undefined ? { accept } : { accept, 'if-none-match': etag })
      if (response.status === 304 && etag !== undefined) {
        await response.body?.cancel()
        return { changed: false }
      }
      if (response.status !== 200) {
        await response.body?.cancel()
        const words = `${url} answered ${response.status}`
        throw response.status === 404 ? new NotPublished(words) : new Error(words)
      }
      const answer: Answer = { changed: true, body: await readText(response, maxBytes, url) }
      const newTag = response.headers.get('etag')
      if (newTag !== null) answer.etag = newTag
      const maxAge = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(response.headers.get('cache-control') ?? '')?.[1]
      if (maxAge !== undefined) answer.maxAgeSeconds = Number(maxAge)
      return answer
    },

    clockError() {
      if (Math.abs(aheadSeconds) <= CLOCK_LIMIT_SECONDS) return undefined
      return `this host's clock is ${Math.abs(aheadSeconds)} s ${aheadSeconds > 0 ? 'ahead of' : 'behind'} the gateway's`
    },

    close: () => closing.abort(),
  }
}

/** Reads a body of at most `maxBytes`, counted after gzip, so that a small reply cannot fill the memory. */
async function readText(response: Response, maxBytes: number, url: string): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw new Error(`${url} answered more than ${maxBytes} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

const withSlash = (url: string): string => (url.endsWith('/') ? url : `${url}/`)

/** An error and what caused it, in one line: of a failed fetch the cause alone says what happened. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error && !error.message.includes(error.cause.message) ? error.cause : undefined
  return cause ? `${error.message}: ${reasonOf(cause)}` : error.message || error.name
}
