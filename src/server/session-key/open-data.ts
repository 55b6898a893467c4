/** Opens encryptedData with the session_key that a login left here, so that the key need not leave. */
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { GatewayError, invalidField } from '../errors.ts'
import { type Encrypted, OpenDataError, openEncryptedData } from '../platforms/open-data.ts'
import { givesSessionKey, type PlatformIdentity } from '../platforms/platform.ts'
import type { Vault } from './vault.ts'

/** Base64 where every "+" that became a space on the way shows as a wrong field, since no new login would mend it. */
export const encryptedSchema = {
  encryptedData: z
    .string()
    .max(16_384)
    .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64; a "+" must not become a space on the way')
    .describe('As the button gave it; base64.'),
  iv: z
    .string()
    .regex(/^[A-Za-z0-9+/]{22}==$/, 'must be base64 of 16 bytes; a "+" must not become a space on the way')
    .describe('As the button gave it; base64 of 16 bytes.'),
}

/** The data is taken by a tap and sent at once. */
const MAX_AGE_SECONDS = 600

export type OpenWithKeptKey = (identity: PlatformIdentity, encrypted: Encrypted) => Promise<Record<string, unknown>>

/**
 * The plaintext. Throws A0240 when no session_key is kept, or the one that is does not open the data (it was replaced since, or
 * the data is broken: from outside that looks the same); A0400 where the platform gives no session_key; A0340 for another app's data or old data; B0320 without the cache.
 */
export function createOpenWithKeptKey({ vault, clock }: { vault: Vault; clock: Clock }): OpenWithKeptKey {
  return async (identity, encrypted) => {
    if (!givesSessionKey(identity.platform))
      throw invalidField('encryptedData', `cannot be opened: ${identity.platform} gives no session_key`)
    const sessionKey = await vault.get(identity)
    if (sessionKey === undefined) throw new GatewayError('A0240', { note: 'no session_key is kept' })
    try {
      const { appid } = identity
      return openEncryptedData(encrypted, { sessionKey, appid, now: clock.now(), maxAgeSeconds: MAX_AGE_SECONDS })
    } catch (error) {
      if (!(error instanceof OpenDataError)) throw error
      throw new GatewayError(error.reason === 'undecipherable' ? 'A0240' : 'A0340', { note: error.message })
    }
  }
}
