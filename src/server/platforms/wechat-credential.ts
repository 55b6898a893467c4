/**
 * WeChat's own access_token: stable_token in normal mode, which gives every replica the same one and ends none of the others'.
 * Login never needs it.
 */
import type { Clock } from '../clock.ts'
import type { AppConfig } from '../config/config.ts'
import type { Sealer } from '../crypto/seal.ts'
import type { Cache } from '../storage/cache.ts'
import { fetchJson, type Send } from './fetch-json.ts'
import { PlatformError } from './platform.ts'
import {
  CREDENTIAL_TIMEOUT_MS,
  createPlatformCredentials,
  type FetchedCredential,
  type PlatformCredentials,
} from './platform-credential.ts'
import { throwIfRefused } from './wechat.ts'

export type WechatCredentialParts = { send: Send; apiBase: string; cache: Cache; sealer: Sealer; clock: Clock }

export function createWechatCredentials({ send, apiBase, ...kept }: WechatCredentialParts): PlatformCredentials {
  async function fetchCredential(app: AppConfig, force: boolean): Promise<FetchedCredential> {
    const operation = 'stableToken'
    // Normal mode (api_getstableaccesstoken): forcing a new one ends the one that others use, so only once that is refused anyway.
    const body = { grant_type: 'client_credential', appid: app.appid, secret: app.secret, force_refresh: force }
    const reply = await fetchJson(send, {
      operation,
      method: 'POST',
      url: `${apiBase}/cgi-bin/stable_token`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      timeoutMs: CREDENTIAL_TIMEOUT_MS,
    })
    try {
      throwIfRefused(operation, reply)
    } catch (error) {
      // Here 40001 means the AppSecret, not a credential.
      if (error instanceof PlatformError && error.refusal === 'credential_invalid' && error.errcode !== undefined)
        throw new PlatformError(operation, 'refused', { refusal: 'misconfigured', errcode: error.errcode })
      throw error
    }
    const { access_token: text, expires_in: expiresInSeconds } = reply
    if (typeof text !== 'string' || text === '' || typeof expiresInSeconds !== 'number' || !(expiresInSeconds > 0))
      throw new PlatformError(operation, 'body', { note: 'no access_token or no expires_in' })
    return { text, expiresInSeconds }
  }
  return createPlatformCredentials({ platform: 'wechat', fetchCredential, ...kept })
}
