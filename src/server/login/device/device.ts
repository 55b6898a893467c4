/**
 * Scan to log in: the device authorization grant (RFC 8628) for the devices of CLIENTS. A device shows a code; the person confirms
 * it in the mini program, where they are logged in; the device polls until it has tokens. Loaded only where a device is configured.
 */
import type { Actor } from '../../actor.ts'
import type { Client, Clients } from '../../clients/clients.ts'
import type { Clock } from '../../clock.ts'
import { uuidv7 } from '../../crypto/random.ts'
import { GatewayError } from '../../errors.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import type { TokenReply } from '../../sessions/token-reply.ts'
import type { OpenFor } from '../sign-in.ts'
import { DEVICE_SECONDS, type DeviceRequest, type DeviceRequests, INTERVAL_SECONDS } from './requests.ts'

/** Errors of RFC 6749 section 5.2 and RFC 8628 section 3.5. */
export type TokenError =
  | 'invalid_client'
  | 'unauthorized_client'
  | 'invalid_grant'
  | 'unsupported_grant_type'
  | 'authorization_pending'
  | 'slow_down'
  | 'access_denied'
  | 'expired_token'

export type DeviceParts = {
  requests: DeviceRequests
  clients: Clients
  clock: Clock
  openFor: OpenFor
  sessions: Pick<Sessions, 'refresh' | 'findUsable'>
}

export type Device = ReturnType<typeof createDevice>

export function createDevice({ requests, clients, clock, openFor, sessions }: DeviceParts) {
  function deviceClient(clientId: string): Client | TokenError {
    const client = clients.find(clientId)
    if (!client) return 'invalid_client'
    return client.kind === 'device' ? client : 'unauthorized_client'
  }

  /** One poll (section 3.4). */
  async function poll(clientId: string, deviceCode: string, actor: Actor): Promise<TokenReply | TokenError> {
    const client = deviceClient(clientId)
    if (typeof client === 'string') return client
    const request = await requests.byDeviceCode(deviceCode)
    if (!request || request.clientId !== clientId) return 'invalid_grant'
    if (requests.isExpired(request)) return 'expired_token'
    if (request.state === 'denied') return 'access_denied'
    if (request.state === 'approved') {
      const taken = await requests.take(deviceCode)
      if (taken?.userId === undefined) return 'invalid_grant'
      const { userId, sid, userAgent } = taken
      const device = userAgent?.slice(0, 100)
      return await openFor({ client, device, actor, sid, from: { userId } }).catch(refusedAsOauth)
    }
    let tooSoon = false
    await requests.change(requests.idOf(deviceCode), (now) => {
      tooSoon = requests.nowSeconds() - now.polledAt < now.intervalSeconds
      // Section 3.5: with each slow_down the interval grows by five seconds for all later polls.
      const intervalSeconds = now.intervalSeconds + (tooSoon ? INTERVAL_SECONDS : 0)
      return { ...now, intervalSeconds, polledAt: requests.nowSeconds() }
    })
    return tooSoon ? 'slow_down' : 'authorization_pending'
  }

  return {
    /** Section 3.1. */
    async ask(clientId: string, from: { ip: string | undefined; userAgent: string | undefined }) {
      const client = deviceClient(clientId)
      if (typeof client === 'string') return client
      return await requests.create({ clientId, sid: uuidv7(clock.now()), ...from })
    },

    poll,

    /** RFC 6749 section 6. */
    async refresh(clientId: string, refreshToken: string, actor: Actor): Promise<TokenReply | TokenError> {
      const client = deviceClient(clientId)
      if (typeof client === 'string') return client
      const session = await sessions.findUsable(refreshToken)
      // Section 10.4: a refresh token is bound to the client it was issued to.
      if (session && session.appid !== clientId) return 'invalid_grant'
      return await sessions.refresh(refreshToken, actor).catch(refusedAsOauth)
    },

    /** Who asks, for the person who is to confirm. Throws A0404 when nobody asks under that code any more. */
    async describe(userCode: string) {
      const found = await requests.byUserCode(normalised(userCode))
      if (found?.request.state !== 'pending' || requests.isExpired(found.request)) throw unknownCode()
      const { clientId, ip, userAgent, at } = found.request
      return {
        client_id: clientId,
        client_name: clients.find(clientId)?.name ?? clientId,
        ip: ip ?? null,
        user_agent: userAgent ?? null,
        age_seconds: Math.max(0, Math.floor(requests.nowSeconds() - at)),
        expires_in: Math.max(0, Math.ceil(at + DEVICE_SECONDS - requests.nowSeconds())),
      }
    },

    /** The person's decision, once. Throws A0404 when the code is unknown, expired or decided by somebody else or otherwise. */
    async decide(userCode: string, approve: boolean, userId: string): Promise<void> {
      const found = await requests.byUserCode(normalised(userCode))
      if (!found) throw unknownCode()
      const state: DeviceRequest['state'] = approve ? 'approved' : 'denied'
      const { request } = found
      // A double tap is not an error.
      if (request.state === state && request.userId === userId) return
      const changed = await requests.change(found.id, (now) =>
        now.state === 'pending' && !requests.isExpired(now) ? { ...now, state, userId } : undefined,
      )
      if (!changed) throw unknownCode()
    },

    /** Under which id the picture of a code that may still be confirmed is found. */
    async pictureId(userCode: string): Promise<string | undefined> {
      const found = await requests.byUserCode(normalised(userCode))
      return found?.request.state === 'pending' && !requests.isExpired(found.request) ? found.id : undefined
    },

    picture: async (id: string) => {
      const request = await requests.read(id)
      return request && request.state === 'pending' && !requests.isExpired(request) ? request.userCode : undefined
    },
  }
}

/** As people type it: in any case of letters, with hyphens and blanks. */
const normalised = (userCode: string): string => userCode.toUpperCase().replaceAll(/[\s-]/g, '')

const unknownCode = () => new GatewayError('A0404', { note: 'the user code is unknown, expired or already decided' })

/** What a user may not do is a denial here; what a store cannot do stays an outage. */
function refusedAsOauth(error: unknown): TokenError {
  if (error instanceof GatewayError && ['A0202', 'A0203'].includes(error.code)) return 'access_denied'
  if (error instanceof GatewayError && ['A0230', 'A0220', 'A0223'].includes(error.code)) return 'invalid_grant'
  throw error
}
