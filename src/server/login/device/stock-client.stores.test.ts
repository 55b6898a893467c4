/** A stock client of the device flow (openid-client), unchanged, against two replicas over real HTTP. */
import {
  allowInsecureRequests,
  type Configuration,
  discovery,
  initiateDeviceAuthorization,
  None,
  pollDeviceAuthorizationGrant,
  refreshTokenGrant,
} from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../../dev/services/service.ts'
import { startTestGateway, type TestGateway } from '../../../dev/testing/test-gateway.ts'
import { type Listener, listen } from '../../serve/listeners.ts'

let gateway: TestGateway
let other: TestGateway
let listener: Listener
let client: Configuration
let token: string
let user_id: string
/** Which path was asked of which replica. */
const asked: string[] = []

beforeAll(async () => {
  const port = await freePort()
  gateway = await startTestGateway({
    environment: {
      ISSUER: `http://127.0.0.1:${port}`,
      CLIENTS: '[{"id":"tv","name":"TV","kind":"device","audience":["tv"]}]',
    },
  })
  other = await gateway.replica()
  // A balancer that takes turns.
  let turn = 0
  const balanced = {
    fetch(request: Request, env: object) {
      turn += 1
      asked.push(`${turn % 2} ${new URL(request.url).pathname}`)
      return (turn % 2 ? gateway : other).publicApp.fetch(request, env as never)
    },
  }
  listener = await listen(balanced, { host: '127.0.0.1', port })
  client = await discovery(new URL(gateway.config.issuer), 'tv', undefined, None(), {
    algorithm: 'oauth2',
    execute: [allowInsecureRequests],
  })
  ;({ token, user_id } = (await gateway.login('watcher')).body.data)
})
afterAll(async () => {
  await listener.close(1000)
  await other.close()
  await gateway.close()
})

const decide = (user_code: string, approve: boolean, on = gateway) =>
  on.call('POST', '/api/device', { body: { user_code, approve }, token })
const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => 'granted',
    (error: { error?: string; code?: string }) => error.error ?? error.code,
  )
/** The first poll comes after `interval`; a shorter one is answered slow_down, and the client waits longer by itself. */
const hurried = <Asked extends { interval?: number }>(reply: Asked): Asked => ({ ...reply, interval: 1 })

describe('openid-client', () => {
  test('discovers the gateway, waits while it is told to, slows down and gets tokens once the person confirms', async () => {
    const started = await initiateDeviceAuthorization(client, {})
    expect(started).toMatchObject({ expires_in: 600, interval: 5, user_code: expect.any(String) })
    const polling = pollDeviceAuthorizationGrant(client, hurried(started))
    const polls = () => asked.filter((line) => line.endsWith('/oauth2/token')).length
    await expect.poll(polls, { timeout: 10_000, interval: 50 }).toBeGreaterThanOrEqual(2)
    expect((await decide(started.user_code, true, other)).status).toBe(200)
    const tokens = await polling
    expect(tokens).toMatchObject({ token_type: 'bearer', access_token: expect.any(String) })
    const { body } = await gateway.call('GET', '/api/user', { token: tokens.access_token })
    expect(body.data.user_id).toBe(user_id)
    const renewed = await refreshTokenGrant(client, tokens.refresh_token ?? '')
    expect(renewed.access_token).not.toBe(tokens.access_token)
    expect(new Set(asked.filter((line) => line.endsWith('/oauth2/token')).map((line) => line[0])).size).toBe(2)
    expect(await outcome(pollDeviceAuthorizationGrant(client, hurried(started)))).toBe('invalid_grant')
  }, 60_000)

  test('hears access_denied when the person says no, confirmed a second time or not', async () => {
    const started = await initiateDeviceAuthorization(client, {})
    await decide(started.user_code, false)
    expect((await decide(started.user_code, true, other)).status).toBe(404)
    expect(await outcome(pollDeviceAuthorizationGrant(client, hurried(started)))).toBe('access_denied')
  }, 30_000)

  test('of a client that is not configured is refused by name', async () => {
    const stranger = await discovery(new URL(gateway.config.issuer), 'nobody', undefined, None(), {
      algorithm: 'oauth2',
      execute: [allowInsecureRequests],
    })
    expect(await outcome(initiateDeviceAuthorization(stranger, {}))).toBe('invalid_client')
  })
})
