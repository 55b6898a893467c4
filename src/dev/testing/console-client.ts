/** A browser as far as cookies and forms go, for the console's tests without one. */
import { BOSS } from './console-tokens.ts'
import type { TestGateway } from './test-gateway.ts'

export type Browser = ReturnType<typeof browserOn>

export function browserOn(first: TestGateway, origin = 'http://localhost') {
  const jar = new Map<string, string>()
  let app = first.internalApp
  async function ask(
    method: string,
    path: string,
    form?: Record<string, string>,
    headers: Record<string, string> = {},
  ) {
    const reply = await app.request(`${origin}/console${path}`, {
      method,
      headers: {
        host: new URL(origin).host,
        cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
        'accept-language': 'en',
        ...(form ? { 'content-type': 'application/x-www-form-urlencoded', origin } : {}),
        ...headers,
      },
      ...(form ? { body: new URLSearchParams(form).toString() } : {}),
    })
    for (const line of reply.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/max-age=0/i.test(line)) jar.delete(name)
      else jar.set(name, decodeURIComponent(value))
    }
    return {
      status: reply.status,
      location: reply.headers.get('location'),
      text: await reply.text(),
      headers: reply.headers,
    }
  }
  return {
    jar,
    get: (path: string, headers?: Record<string, string>) => ask('GET', path, undefined, headers),
    post: (path: string, form: Record<string, string>, headers?: Record<string, string>) =>
      ask('POST', path, form, headers),
    goTo: (other: TestGateway) => {
      app = other.internalApp
    },
    async signIn(token = BOSS) {
      return await ask('POST', '/sign-in', { token })
    },
    async csrf() {
      return /name="csrf" value="([^"]+)"/.exec((await ask('GET', '/health')).text)?.[1] ?? ''
    },
  }
}
