/** What requests of the mini-program SDK carry, to whom, and in which form. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listen, type Seen } from '../../dev/testing/miniprogram.ts'
import { failure, openSdkTest, PNG, type SdkTest } from '../../dev/testing/sdk-phone.ts'

let sdk: SdkTest
beforeEach(async () => {
  sdk = await openSdkTest()
})
afterEach(() => sdk.close())

test('tokens go to the gateway and the named audiences, and to no other host in any disguise', async () => {
  const seen: Seen[] = []
  const business = await listen(sdk.servers, (request, response) => {
    seen.push(request)
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"orders":[]}')
  })
  const auth = sdk.createAuth({ audiences: [`${business}/`] })
  expect(await auth.request({ url: `${business}/orders?page=1` })).toEqual({ orders: [] })
  expect(seen[0]?.headers.authorization).toMatch(/^Bearer access-/)

  const host = business.replace('http://', '')
  for (const url of [
    'https://evil.example/orders',
    '//evil.example/orders',
    '/\\evil.example/orders',
    'orders',
    '.evil.example/orders',
    '@evil.example/orders',
    `http://${host}@evil.example/orders`,
    `http://${host}.evil.example/orders`,
    `http://${host}\\@evil.example/orders`,
    `http://${host}0/orders`,
    `https://${host}/orders`,
    ` http://${host}/orders`,
    'http:evil.example',
    'javascript:alert(1)',
    '',
  ]) {
    expect((await failure(auth.request({ url }))).code, url).toBe('FOREIGN_URL')
  }
  expect(seen).toHaveLength(1)
})

test('a business server that says invalid_token without our envelope gets a fresh token, and its other errors come through', async () => {
  let refuse = true
  const business = await listen(sdk.servers, (request, response) => {
    if (request.path === '/teapot') response.writeHead(418, { 'content-type': 'application/json' }).end('{"why":"tea"}')
    else if (refuse) {
      refuse = false
      response.writeHead(401, { 'WWW-Authenticate': 'Bearer realm="x", error="invalid_token"' }).end('Unauthorized')
    } else response.writeHead(200, { 'content-type': 'application/json' }).end('[1,2]')
  })
  const auth = sdk.createAuth({ audiences: [business] })
  expect(await auth.request({ url: `${business}/orders` })).toEqual([1, 2])
  expect(sdk.gateway.to('/api/refresh')).toHaveLength(1)
  expect(await failure(auth.request({ url: `${business}/teapot` }))).toMatchObject({
    code: 'HTTP_418',
    statusCode: 418,
    body: { why: 'tea' },
  })
})

test('PATCH, and DELETE with a body, travel as POST with X-HTTP-Method-Override, since wx.request cannot send them', async () => {
  const auth = sdk.createAuth()
  await auth.request({ url: '/api/user', method: 'PATCH', data: { nickname: '小明' } })
  expect(sdk.gateway.to('/api/user')[0]).toMatchObject({ method: 'POST', json: { nickname: '小明' } })
  expect(sdk.gateway.to('/api/user')[0]?.headers['x-http-method-override']).toBe('PATCH')
  await auth.request({ url: '/api/user', method: 'DELETE', data: { code: 'fresh' } })
  expect(sdk.gateway.to('/api/user')[1]).toMatchObject({ method: 'POST', json: { code: 'fresh' } })
  expect(sdk.gateway.to('/api/user')[1]?.headers['x-http-method-override']).toBe('DELETE')
  await auth.login()
  await auth.request({ url: '/api/sessions/s1', method: 'DELETE' })
  expect(sdk.gateway.to('/api/sessions/s1')[0]?.method).toBe('DELETE')
})

test('after the account is erased no silent login makes a new one', async () => {
  const auth = sdk.createAuth()
  await auth.request({ url: '/api/user', method: 'DELETE', data: { code: 'fresh' } })
  expect(auth.user()).toBeNull()
  expect((await failure(auth.request({ url: '/orders' }))).code).toBe('LOGGED_OUT')
  expect(sdk.gateway.to('/api/login')).toHaveLength(1)
})

test('an avatar is sent by PUT as multipart/form-data, byte for byte, and survives an expired token', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  sdk.gateway.expireAccessTokens()
  await auth.upload({ filePath: 'http://tmp/a.png' })
  const [, sent] = sdk.gateway.to('/api/user/avatar')
  expect(sent?.method).toBe('PUT')
  const form = await new Response(new Uint8Array(sent?.body ?? []), {
    headers: { 'content-type': sent?.headers['content-type'] ?? '' },
  }).formData()
  const file = form.get('file') as File
  expect([...form.keys()]).toEqual(['file'])
  expect([file.name, file.type]).toEqual(['file.png', 'image/png'])
  expect(new Uint8Array(await file.arrayBuffer())).toEqual(PNG)
  expect((await failure(auth.upload({ filePath: 'http://tmp/gone.png' }))).code).toBe('FILE')
})

test('the phone button sends its code, and a refused one asks for another tap', async () => {
  const auth = sdk.createAuth()
  await auth.bindPhone({ detail: { code: 'phone-1', encryptedData: 'x', iv: 'y' } })
  expect(sdk.gateway.to('/api/user/phone')[0]?.json).toEqual({ code: 'phone-1' })
  sdk.gateway.answerNext('/api/user/phone', { status: 401, code: 'A0223' })
  expect(await failure(auth.bindPhone({ detail: { code: 'phone-1' } }))).toMatchObject({
    code: 'A0223',
    tapAgain: true,
  })
  const refused = await failure(auth.bindPhone({ detail: { errMsg: 'getPhoneNumber:fail user deny' } }))
  expect(refused).toMatchObject({ code: 'PHONE_REFUSED', body: 'getPhoneNumber:fail user deny' })
  expect(sdk.gateway.to('/api/user/phone')).toHaveLength(2)
})

test('a stale session_key is renewed by one login, and the user is asked to tap again', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  const event = { detail: { encryptedData: 'x', iv: 'y' } }
  sdk.gateway.answerNext('/api/user/phone', { status: 409, code: 'A0240' })
  expect(await failure(auth.bindPhone(event))).toMatchObject({ code: 'A0240', tapAgain: true })
  expect(sdk.gateway.to('/api/login')).toHaveLength(2)
  await auth.bindPhone(event)
  expect(sdk.gateway.to('/api/user/phone')[1]?.json).toEqual({ encryptedData: 'x', iv: 'y' })
})

test('data encrypted under an old session_key are not sent at all', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  const event = { detail: { encryptedData: 'x', iv: 'y' } }
  sdk.phone.controls.sessionKeyExpired = true
  expect(await failure(auth.bindPhone(event))).toMatchObject({ code: 'A0240', tapAgain: true })
  expect(sdk.gateway.to('/api/user/phone')).toHaveLength(0)
  sdk.gateway.endSessions()
  expect(await failure(auth.bindPhone(event))).toMatchObject({ code: 'A0240', tapAgain: true })
  expect(sdk.gateway.to('/api/user/phone')).toHaveLength(1)
})

test('before encrypted data, wx.checkSession decides whether a login is needed', async () => {
  const auth = sdk.createAuth()
  await auth.login()
  await auth.prepareEncryptedData()
  expect(sdk.gateway.to('/api/login')).toHaveLength(1)
  sdk.phone.controls.sessionKeyExpired = true
  await auth.prepareEncryptedData()
  expect(sdk.gateway.to('/api/login')).toHaveLength(2)
})
