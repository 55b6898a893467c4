/** Every way to log in, put together. */
import type { Audit } from '../audit/audit.ts'
import type { Clients } from '../clients/clients.ts'
import type { Config } from '../config/config.ts'
import type { Sealer } from '../crypto/seal.ts'
import type { OnSessionsEnded } from '../events/session-ended.ts'
import type { Route } from '../http/route.ts'
import type { Log } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Apps } from '../platforms/registry.ts'
import type { TextCheck } from '../profile/text-check.ts'
import { limitByAddress } from '../rate-limit/limit.ts'
import type { RateLimits } from '../rate-limit/rate-limit.ts'
import type { StatusLists } from '../revocation/publisher.ts'
import type { Vault } from '../session-key/vault.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { Cache } from '../storage/cache.ts'
import type { Database } from '../storage/database.ts'
import type { Users } from '../users/users.ts'
import { createCodeLogin } from './code.ts'
import { createReplay } from './replay.ts'
import { loginRoutes } from './routes.ts'
import { createSignIn } from './sign-in.ts'
import { createLoginStore } from './store.ts'
import { createTickets } from './ticket.ts'

export type LoginParts = {
  database: Database
  cache: Cache
  sealer: Sealer
  apps: Apps
  clients: Clients
  users: Users
  sessions: Sessions
  vault: Vault
  audit: Audit
  limits: RateLimits
  config: Pick<Config, 'sessionLimit' | 'clients' | 'issuer' | 'deviceConfirmPage'>
  log: Log
  metrics: Metrics
  statusLists: Pick<StatusLists, 'allocated'>
  onSessionsEnded: OnSessionsEnded
  textCheck: TextCheck
}

export async function createLogin(
  parts: LoginParts,
): Promise<{ routes: Route[]; endpoints: Record<string, string | string[]> }> {
  const { database, cache, sealer, apps, clients, users, sessions, vault, audit, limits, config, log, metrics } = parts
  const { clock } = database
  const { signIn, openFor, proving } = createSignIn({
    store: createLoginStore({
      database,
      now: () => clock.now(),
      sessionLimit: config.sessionLimit,
      allocated: parts.statusLists.allocated,
    }),
    users,
    sessions,
    audit,
    clock,
    perOpenid: limits.loginPerOpenid,
    onEnded: parts.onSessionsEnded,
    onLogin: (platform, outcome) => metrics.logins.inc({ platform, outcome }),
  })
  const { codeLogin, proveByCode } = createCodeLogin({
    apps,
    clients,
    replay: createReplay({ cache, sealer, clock }),
    vault,
    signIn,
    textCheck: parts.textCheck,
    clock,
    onSessionKeyLost: (error) => log.warn({ error }, 'a session_key was not kept: the cache is down'),
  })
  const tickets = createTickets({ cache, sealer, clients, clock, signIn, openFor })
  const limit = limitByAddress(limits.loginPerAddress)
  const routes = loginRoutes({ codeLogin, tickets, clock, limit })
  if (apps.all.some(({ redirects }) => redirects)) {
    const { createOauthLogin } = await import('./oauth/oauth-login.ts')
    routes.push(
      ...createOauthLogin({ config, cache, sealer, clock, apps, clients, proveByCode, proving, tickets, limit }),
    )
  }
  if (!config.clients.some(({ kind }) => kind === 'device')) return { routes, endpoints: {} }
  const { createDeviceLogin } = await import('./device/device-login.ts')
  const device = createDeviceLogin({ config, cache, clock, clients, apps, sessions, openFor, limit })
  return { routes: [...routes, ...device.routes], endpoints: device.endpoints }
}
