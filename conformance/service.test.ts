/** A service that spells everything otherwise: forms, tokens in cookies and headers, a success that is a member. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ProfileError, readProfile } from './profile.ts'
import { createService, type Service } from './service.ts'
import { fill, memberAt } from './template.ts'

const PROFILE = {
  name: 'another',
  apps: { main: { appid: 'wx1', secret: 'secret' } },
  success: { status: [200, 201], where: { 'state.ok': true } },
  login: {
    path: '/session/{appid}',
    form: { js_code: '{code}' },
    headers: { 'x-key': '{key}' },
    answer: { accessToken: 'cookie:sid', refreshToken: 'header:x-renew', user: 'state.uid' },
    sameCodeAgain: 'refused',
  },
  me: { method: 'GET', path: '/me', headers: { cookie: 'sid={access_token}' } },
}

let folder: string
let service: Service
let close: () => void
const seen: string[] = []

function profileFile(profile: object): string {
  const file = join(folder, 'profile.json')
  writeFileSync(file, JSON.stringify(profile))
  return file
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'profile-'))
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      const { 'content-type': type, 'x-key': key, cookie } = request.headers
      seen.push([request.method, request.url, type, key, cookie, body].join(' '))
      response.writeHead(201, { 'set-cookie': ['other=1', 'sid=abc.def; HttpOnly'], 'x-renew': 'Bearer r-1' })
      response.end(JSON.stringify({ state: { ok: body.includes('good'), uid: 17 } }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  close = () => server.close()
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const profile = readProfile(profileFile(PROFILE), { key: 'k' })
  service = createService({ profile, bases: [base], internal: undefined, values: { key: 'k' } })
})
afterAll(() => {
  close()
  rmSync(folder, { recursive: true })
})

test('tokens are read where the profile says, and sent as it says', async () => {
  const answer = await service.login('good & new', { extra: { device: 'phone' } })
  expect(service.succeeded(answer)).toBe(true)
  expect(service.tokensIn(answer)).toMatchObject({ access: 'abc.def', refresh: 'r-1', user: '17' })
  await service.me('abc.def')
  const type = 'application/x-www-form-urlencoded'
  expect(seen).toEqual([`POST /session/wx1 ${type} k  js_code=good+%26+new&device=phone`, 'GET /me   sid=abc.def '])
})

test('a success is what the profile says', async () => {
  expect(service.succeeded(await service.login('bad'))).toBe(false)
})

test.each<[string, object, RegExp]>([
  ['a member that nobody knows', { ...PROFILE, logn: {} }, /logn/],
  ['a member that is missing', { ...PROFILE, login: undefined }, /login/],
  ['a name that is open', { ...PROFILE, logout: { path: '/out', body: { t: '{secret_of_mine}' } } }, /secret_of_mine/],
])('a profile with %s is refused with the reason', (_, profile, reason) => {
  expect(() => readProfile(profileFile(profile), { key: 'k' })).toThrow(ProfileError)
  expect(() => readProfile(profileFile(profile), { key: 'k' })).toThrow(reason)
})

test('names are filled in, and a member that would be empty is left out', () => {
  const values = { code: 'c', refresh_token: undefined }
  expect(fill({ code: '{code}', list: ['a {code}'], token: '{refresh_token}', n: 1 }, values)).toEqual({
    code: 'c',
    list: ['a c'],
    n: 1,
  })
  expect(memberAt({ a: { b: [1] } }, 'a.b')).toEqual([1])
  expect([memberAt({}, 'constructor'), memberAt({ a: 1 }, 'a.b'), memberAt(null, 'a')]).toEqual(
    Array(3).fill(undefined),
  )
})
