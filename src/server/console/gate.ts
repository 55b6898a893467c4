/** What a browser must show before the console listens: a host that is ours, and for every change an origin that is. */
import { readAddress } from '../http/address.ts'
import type { GatewayContext } from '../http/context.ts'

export type Gate = {
  /** False for a name that may be anybody's (DNS rebinding): loopback, IP addresses and CONSOLE_ORIGIN are ours. */
  knowsHost(c: GatewayContext): boolean
  /** False for a POST that another site's page, or none, has sent. */
  knowsOrigin(c: GatewayContext): boolean
  /** Whether the browser is on the https of CONSOLE_ORIGIN, so that the cookie can be kept to it. */
  isSecure(c: GatewayContext): boolean
}

export function createGate({ origin }: { origin: string | undefined }): Gate {
  const own = origin === undefined ? undefined : new URL(origin)
  const hostOf = (c: GatewayContext): string => c.req.header('host') ?? new URL(c.req.url).host

  return {
    knowsHost(c) {
      const host = hostOf(c)
      if (host === own?.host) return true
      const name = host.replace(/:\d{1,5}$/, '').replace(/^\[(.+)\]$/, '$1')
      return name === 'localhost' || name.endsWith('.localhost') || readAddress(name) !== undefined
    },
    knowsOrigin(c) {
      const sent = c.req.header('origin')
      // Browsers before 2020 send neither.
      if (sent === undefined) return c.req.header('sec-fetch-site') === 'same-origin'
      if (!URL.canParse(sent)) return false
      const from = new URL(sent)
      return from.host === own?.host && hostOf(c) === own.host ? from.origin === own.origin : from.host === hostOf(c)
    },
    isSecure: (c) => own?.protocol === 'https:' && hostOf(c) === own.host,
  }
}
