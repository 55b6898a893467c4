/** WeChat OAuth for browsers, put together. */
import type { Config } from '../../config/config.ts'
import type { Route } from '../../http/route.ts'
import type { Limit } from '../../rate-limit/limit.ts'
import { createOauth, type OauthParts } from './oauth.ts'
import { oauthRoutes } from './routes.ts'
import { createOauthStates, type OauthStateParts } from './state.ts'

export type OauthLoginParts = Omit<OauthParts, 'states' | 'issuer'> &
  Omit<OauthStateParts, 'secure'> & { config: Pick<Config, 'issuer'>; limit: Limit }

export function createOauthLogin({ config: { issuer }, limit, ...parts }: OauthLoginParts): Route[] {
  const secure = issuer.startsWith('https:')
  const oauth = createOauth({ ...parts, issuer, states: createOauthStates({ ...parts, secure }) })
  return oauthRoutes({ oauth, secure, limit })
}
