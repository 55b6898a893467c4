/** The two faces of the gateway: what the public may ask, what operators and services may, and the API description of both. */
import type { Config } from '../config/config.ts'
import { type AppParts, createApp, type HttpApp } from './app.ts'
import { docsRoutes } from './docs.ts'
import type { LiveExamples } from './examples.ts'
import type { ApiDescriptionParts } from './openapi.ts'
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
    /** In development the examples of the description work. */
    liveExamples?: (() => LiveExamples) | undefined
    version: string
  }

export function createListeners(parts: ListenersParts): Listeners {
  const { publicRoutes, internalRoutes, operatorsPages, docsOnPublic, issuer, version, liveExamples } = parts
  // What writes the description is loaded when somebody asks for it.
  const describe = (of: Pick<ApiDescriptionParts, 'own' | 'atIssuer'>) => async () =>
    (await import('./openapi.ts')).describeApi({ ...of, issuer, version, live: liveExamples?.() })
  const common = { issuer, liveExamples }
  const atIssuer = { title: 'Public listener', describe: describe({ own: [], atIssuer: publicRoutes }) }
  // The internal listener's describes both, and the calls of each go to where they are answered.
  const internal: Route[] = [...internalRoutes]
  const own = { title: 'Internal listener', describe: describe({ own: internal }) }
  internal.push(
    ...docsRoutes({
      ...common,
      describe: describe({ own: internal, atIssuer: publicRoutes }),
      parts: { internal: own, public: atIssuer },
    }),
  )
  const shown: Route[] = [...publicRoutes]
  const ofPublic = { title: 'Public listener', describe: describe({ own: shown }) }
  shown.push(...docsRoutes({ ...common, describe: ofPublic.describe, parts: { public: ofPublic } }))
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
