/** The clients that sessions belong to: the one place that knows the audience, the lifetimes and the claims of each. */

import type { ClientConfig } from '../config/clients.ts'
import type { AppConfig, Config, OptionalClaim, PlatformName } from '../config/config.ts'
import { GatewayError } from '../errors.ts'

/** What a client's sessions and tokens are like, whatever kind of client it is. */
export type ClientPolicy = {
  /** `client_id` of its access tokens. */
  id: string
  name: string
  audience: readonly string[]
  claims: readonly OptionalClaim[]
  accessTokenSeconds: number
  /** A session that is not refreshed for this long ends. */
  idleSeconds: number
  /** A session ends after this long, however often it is refreshed. */
  absoluteSeconds: number
}

/** A program on a platform, which knows its users by the platform's identities; its id is the appid. */
export type PlatformClient = ClientPolicy & {
  kind: 'app'
  platform: PlatformName
  /** Clients of one union share unionids, and so their users. */
  union: string | undefined
}

/** A device or a web page: its sessions come from another client's, and know no platform. */
export type PlainClient = ClientPolicy & { kind: 'device' | 'web'; platform: typeof PLAIN_PLATFORM }

/** In the place of a platform, so that a plain client's sessions are told apart from an app's of the same id. */
export const PLAIN_PLATFORM = 'client'

export type Client = PlatformClient | PlainClient

/** How a session names its client: by the id, unique within its platform. */
export type ClientName = { platform: string; appid: string }

export type Clients = {
  /** Throws A0230 when the client is no longer configured: it gets no more tokens. */
  of(name: ClientName): Client
  /** The client of that id; of several the first in the configuration. */
  find(id: string): Client | undefined
  /** Every audience that tokens are made for, each once. */
  audiences: readonly string[]
  /** The longest lifetimes of any client, and of the defaults: how long what was issued may still be used. */
  longest: Pick<ClientPolicy, 'accessTokenSeconds' | 'idleSeconds' | 'absoluteSeconds'>
}

export type ClientsConfig = Pick<
  Config,
  | 'apps'
  | 'clients'
  | 'audience'
  | 'accessTokenClaims'
  | 'accessTokenTtlSeconds'
  | 'refreshTokenTtlSeconds'
  | 'sessionTtlSeconds'
>

export function createClients(config: ClientsConfig): Clients {
  const all: Client[] = [
    ...config.apps.map((app) => appClient(app, config)),
    ...config.clients.map((client) => plainClient(client, config)),
  ]
  const byName = new Map(all.map((client) => [`${client.platform} ${client.id}`, client]))
  return {
    of({ platform, appid }) {
      const client = byName.get(`${platform} ${appid}`)
      if (!client) throw new GatewayError('A0230', { note: 'the client is no longer configured' })
      return client
    },
    find: (id) => all.find((client) => client.id === id),
    audiences: [...new Set([...config.audience, ...all.flatMap((client) => client.audience)])],
    longest: {
      accessTokenSeconds: Math.max(config.accessTokenTtlSeconds, ...all.map((client) => client.accessTokenSeconds)),
      idleSeconds: Math.max(config.refreshTokenTtlSeconds, ...all.map((client) => client.idleSeconds)),
      absoluteSeconds: Math.max(config.sessionTtlSeconds, ...all.map((client) => client.absoluteSeconds)),
    },
  }
}

const plainClient = (client: ClientConfig, config: ClientsConfig): PlainClient => ({
  kind: client.kind,
  id: client.id,
  name: client.name,
  platform: PLAIN_PLATFORM,
  audience: client.audience ?? config.audience,
  claims: config.accessTokenClaims,
  accessTokenSeconds: config.accessTokenTtlSeconds,
  idleSeconds: config.refreshTokenTtlSeconds,
  absoluteSeconds: config.sessionTtlSeconds,
})

const appClient = (app: AppConfig, config: ClientsConfig): PlatformClient => ({
  kind: 'app',
  id: app.appid,
  name: app.appid,
  platform: app.platform,
  union: app.union,
  audience: app.audience ?? config.audience,
  claims: app.claims ?? config.accessTokenClaims,
  accessTokenSeconds: app.accessTokenTtlSeconds ?? config.accessTokenTtlSeconds,
  idleSeconds: app.refreshTokenTtlSeconds ?? config.refreshTokenTtlSeconds,
  absoluteSeconds: app.sessionTtlSeconds ?? config.sessionTtlSeconds,
})
