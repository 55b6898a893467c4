/** A good request for every operation: what no schema can make up, codes, tokens, ids and data that exist. */
import { picture } from './pictures.ts'
import { pushOf } from './push.ts'
import { APPID, type TestGateway } from './test-gateway.ts'

export const PAGE_APPID = 'wx0000000000000009'
export const HOME = 'https://h5.example.com/'
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

export type Values = Record<string, string>
export type Example = {
  params?: Values
  query?: Values
  headers?: Values
  body?: Record<string, unknown>
  form?: Values
  file?: Buffer
  bytes?: string
}
export type Caller = { person: string; userId: string; sid: string; token: string; refreshToken: string }

export type Examples = Record<string, (caller: Caller) => Example | Promise<Example>>

/** By operationId; everything else is made from the description. `all`: a service token with every scope. */
export async function createExamples(gateway: TestGateway, all: string): Promise<Examples> {
  const png = await picture({ width: 30, height: 30 }).png().toBuffer()

  const erase = async (userId: string): Promise<string> =>
    (await gateway.internal('DELETE', `/admin/users/${userId}`, { token: all })).body.data.receipt_id

  async function poll(body: Record<string, unknown> = {}): Promise<{ value: { sets: Values } }> {
    const reply = await gateway.internalApp.request('/internal/events/orders/poll', {
      method: 'POST',
      headers: { authorization: `Bearer ${all}`, 'content-type': 'application/json' },
      body: JSON.stringify({ returnImmediately: true, ...body }),
    })
    return { value: (await reply.json()) as { sets: Values } }
  }

  async function askForDevice(): Promise<{ device_code: string; user_code: string; qr_code_uri: string }> {
    const reply = await gateway.publicApp.request('/oauth2/device_authorization', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'client_id=pc',
    })
    return (await reply.json()) as { device_code: string; user_code: string; qr_code_uri: string }
  }

  return {
    postApiLogin: ({ person }) => {
      const code = gateway.simulator.login(APPID, person)
      const { rawData, signature, encryptedData, iv } = gateway.simulator.userInfo(APPID, person)
      return {
        body: { code, ticket: undefined, appid: APPID, platform: 'wechat', rawData, signature, encryptedData, iv },
      }
    },
    getApiPrefetch: ({ person }) => ({ query: { code: gateway.simulator.login(APPID, person), appid: APPID } }),
    postApiTickets: () => ({ body: { appid: APPID } }),
    postApiRefresh: ({ refreshToken }) => ({ body: { refresh_token: refreshToken } }),
    postApiLogout: ({ refreshToken }) => ({ body: { refresh_token: refreshToken } }),
    getApiErasuresReceipt: async ({ userId }) => ({ params: { receipt: await erase(userId) } }),
    postInternalErasuresIdDone: async ({ userId }) => ({
      params: { id: await erase(userId) },
      body: { target: 'orders' },
    }),
    postInternalEventsTargetPoll: async () => {
      const { value } = await poll()
      const [jti = crypto.randomUUID()] = Object.keys(value.sets)
      return { params: { target: 'orders' }, body: { returnImmediately: true, ack: [jti], setErrs: {} } }
    },
    postAdminDeliveriesReplay: () => ({ body: { target: 'orders' } }),
    postAdminDeliveriesRetry: async () => {
      await gateway.internal('POST', '/admin/deliveries/replay', {
        token: all,
        body: { target: 'orders', from: '2026-01-01T00:00:00Z' },
      })
      const [event_id = ''] = Object.keys((await poll()).value.sets)
      await poll({ setErrs: { [event_id]: { err: 'invalid_request' } } })
      return { body: { target: 'orders', event_id } }
    },
    deleteApiUser: ({ person }) => ({ body: { code: gateway.simulator.login(APPID, person) } }),
    putApiUserAvatar: () => ({ file: png }),
    postApiUserPhone: ({ person }) => ({
      body: { code: gateway.simulator.phoneCode(APPID, person), ...gateway.simulator.phoneData(APPID, person) },
    }),
    deleteApiSessions: () => ({ query: { scope: 'all' } }),
    getAdminUsers: ({ userId }) => ({ query: { id: userId } }),
    postAdminKeysKidRetire: async () => {
      const { body } = await gateway.internal('POST', '/admin/keys/rotate', { token: all })
      return { params: { kid: body.data.keys.find((key: { state: string }) => key.state === 'pending').kid } }
    },
    postInternalOpenData: ({ person, userId }) => {
      const { encryptedData, iv } = gateway.simulator.userInfo(APPID, person)
      return { body: { user_id: userId, appid: APPID, encryptedData, iv } }
    },
    postAdminUsersIdSessionKeyCheck: () => ({ body: { appid: APPID } }),
    postAdminUsersIdSessionKeyReset: () => ({ body: { appid: APPID } }),
    postOauth2Introspect: ({ token }) => ({ form: { token } }),
    postOauth2Revoke: ({ token }) => ({ form: { token } }),
    getStatusListsId: () => ({ params: { id: '0' } }),
    getPlatformEventsWechatAppid: () => {
      const { msg_signature: _, ...query } = pushOf({}).query
      return { params: { appid: APPID }, query: { ...query, echostr: '1' } }
    },
    postPlatformEventsWechatAppid: () => {
      const { query, body } = pushOf({ Event: 'x' })
      return { params: { appid: APPID }, query, bytes: body }
    },
    postInternalPlatformEvents: () => ({ body: { appid: APPID, event: { Event: 'x' } } }),
    getDocsFile: () => ({ params: { file: 'page.css' } }),
    getAvatarsYearMonthName: async ({ token }) => {
      const { body } = await gateway.call('PUT', '/api/user/avatar', { token, ...multipart(png) })
      const [year = '', month = '', name = ''] = new URL(body.data.avatar).pathname.split('/').slice(2)
      return { params: { year, month, name } }
    },
    postOauth2DeviceAuthorization: () => ({ form: { client_id: 'pc' } }),
    postOauth2Token: async ({ token }) => {
      const { device_code, user_code } = await askForDevice()
      await gateway.call('POST', '/api/device', { token, body: { user_code, approve: true } })
      return { form: { grant_type: DEVICE_GRANT, client_id: 'pc', device_code } }
    },
    getOauth2DeviceId: async () => {
      const { qr_code_uri } = await askForDevice()
      return { params: { id: new URL(qr_code_uri).pathname.split('/').at(-1) ?? '' } }
    },
    getDevice: async () => ({ query: { user_code: (await askForDevice()).user_code } }),
    getApiDevice: async () => ({ query: { user_code: (await askForDevice()).user_code } }),
    postApiDevice: async () => ({ body: { user_code: (await askForDevice()).user_code, approve: true } }),
    getOauthAppidStart: () => ({ params: { appid: PAGE_APPID }, query: { redirect_uri: HOME } }),
    getOauthAppidCallback: async () => {
      const started = await gateway.publicApp.request(
        `/oauth/${PAGE_APPID}/start?redirect_uri=${encodeURIComponent(HOME)}`,
      )
      const state = new URL(started.headers.get('location') ?? '').searchParams.get('state') ?? ''
      const cookie = (started.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
      return { params: { appid: PAGE_APPID }, query: { state }, headers: { cookie } }
    },
    postInternalUserSignature: ({ userId }) => ({
      body: { user_id: userId, appid: APPID, data: '{"mode":"goods"}', verify: false },
    }),
    postInternalPlatformCredential: () => ({ body: { appid: APPID, refused: undefined } }),
  }
}

export const multipart = (file: Buffer) => ({
  headers: { 'content-type': 'multipart/form-data; boundary=----x' },
  body: Buffer.concat([
    Buffer.from('------x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'),
    file,
    Buffer.from('\r\n------x--\r\n'),
  ]),
})
