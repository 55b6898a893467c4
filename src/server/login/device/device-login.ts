/** Scan to log in, put together: its routes, and what the metadata says of it. */
import type { Clients } from '../../clients/clients.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import type { Route } from '../../http/route.ts'
import type { Apps } from '../../platforms/registry.ts'
import type { Limit } from '../../rate-limit/limit.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import type { Cache } from '../../storage/cache.ts'
import type { OpenFor } from '../sign-in.ts'
import { createDevice } from './device.ts'
import { createPictures } from './pictures.ts'
import { createDeviceRequests } from './requests.ts'
import { DEVICE_GRANT, deviceRoutes } from './routes.ts'

export type DeviceLoginParts = {
  config: Pick<Config, 'issuer' | 'deviceConfirmPage'>
  cache: Cache
  clock: Clock
  clients: Clients
  apps: Apps
  sessions: Sessions
  openFor: OpenFor
  limit: Limit
}

export function createDeviceLogin(parts: DeviceLoginParts): {
  routes: Route[]
  endpoints: Record<string, string | string[]>
} {
  const { config, cache, clock, clients, apps, sessions, openFor, limit } = parts
  const { issuer, deviceConfirmPage } = config
  const device = createDevice({ requests: createDeviceRequests({ cache, clock }), clients, clock, openFor, sessions })
  const pictureOf = apps.all.find((app) => app.pictureOf)?.pictureOf
  const pictures = pictureOf && createPictures((scene) => pictureOf(scene, deviceConfirmPage))
  return {
    routes: deviceRoutes({ device, issuer, limit, pictureOf: pictures }),
    endpoints: {
      device_authorization_endpoint: `${issuer}/oauth2/device_authorization`,
      token_endpoint: `${issuer}/oauth2/token`,
      grant_types_supported: [DEVICE_GRANT, 'refresh_token'],
      // Public clients: nobody keeps a secret on a screen.
      token_endpoint_auth_methods_supported: ['none'],
    },
  }
}
