/** The two faces of the gateway: what the public may ask, what operators and services may, and the API description of both. */
import type { Config } from '../config/config.ts'
import { type AppParts, createApp, type HttpApp } from './app.ts'
import { docsRoutes } from './docs.ts'
import { describeApi } from './openapi.ts'
import type { Route } from './route.ts'

export type Listeners = {
  publicApp: HttpApp
  internalApp: HttpApp
  /** What each of them serves, as data. */
  routes: { public: readonly Route[]; internal: readonly Route[] }
}

export type ListenersParts = Omit<AppParts, 'listener' | 'routes' | 'trustedProxyHops' | 'webOrigins' | 'pages'> &
  Pick<Config, 'issuer' | 'trustedProxyHops' | 'webOrigins'> & {
    publicRoutes: readonly Route[]
    internalRoutes: readonly Route[]
    /** On the internal listener alone. */
    operatorsPages: AppParts['pages']
    /** In development the API description is served to the public too. */
    docsOnPublic: boolean
    version: string
  }

export function createListeners(parts: ListenersParts): Listeners {
  const { publicRoutes, internalRoutes, operatorsPages, docsOnPublic, issuer, version } = parts
  // The internal listener's describes both, and sends the calls of each to where they are answered.
  const internal: Route[] = [
    ...internalRoutes,
    ...docsRoutes({ issuer, describe: () => describeApi({ own: internal, atIssuer: publicRoutes, issuer, version }) }),
  ]
  const shown: Route[] = [
    ...publicRoutes,
    ...docsRoutes({ issuer, describe: () => describeApi({ own: shown, issuer, version }) }),
  ]
  const routes = { public: docsOnPublic ? shown : publicRoutes, internal }
  return {
    publicApp: createApp({ ...parts, listener: 'public', routes: routes.public }),
    // Nothing stands in front of it whose word about addresses counts, and no page of another origin may call it.
    internalApp: createApp({
      ...parts,
      listener: 'internal',
      routes: routes.internal,
      trustedProxyHops: 0,
      webOrigins: [],
      pages: operatorsPages,
    }),
    routes,
  }
}
