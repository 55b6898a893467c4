/** Users and the audit trail from the command line, as a process of its own on real stores. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openTestStores, type TestStores } from './real-stores.ts'
import { APPID, startTestGateway, type TestGateway, testEnvironment } from './test-gateway.ts'

const PROGRAM = fileURLToPath(new URL('../../cli.ts', import.meta.url))

describe.runIf(inject('stores') === 'real')('auth-gateway users and audit', () => {
  let stores: TestStores
  let gateway: TestGateway
  beforeAll(async () => {
    stores = await openTestStores()
    gateway = await startTestGateway({ stores })
  })
  afterAll(() => gateway?.close())

  async function cli(...args: string[]) {
    const environment = { ...testEnvironment, DATABASE_URL: stores.databaseUrl, REDIS_URL: stores.redisUrl }
    const child = spawn(process.execPath, [PROGRAM, ...args], { env: { PATH: process.env.PATH ?? '', ...environment } })
    const ended = { status: -1, out: '', err: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (ended.out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (ended.err += text))
    const [status] = await once(child, 'close')
    return { ...ended, status: status as number }
  }
  const login = async (person: string) => (await gateway.login(person, { userinfo: { nickName: person } })).body.data

  test('a user is found, suspended with a reason, told of twice, and reinstated; each is audited as the command line’s', async () => {
    const { user_id, refresh_token } = await login('Terminal Tina')
    const openid = gateway.simulator.openidOf(APPID, 'Terminal Tina')
    const found = await cli('users', 'search', '--openid', openid, '--json')
    expect(JSON.parse(found.out).items).toMatchObject([{ user_id, nickname: 'Terminal Tina' }])
    expect((await cli('users', 'search', '--nickname', 'terminal')).out).toContain(user_id)

    expect(await cli('users', 'suspend', user_id, '--reason', 'ticket 4711')).toMatchObject({
      status: 0,
      out: `${user_id} is suspended.\n`,
    })
    expect((await gateway.post('/api/refresh', { refresh_token })).body.code).toBe('A0202')
    const again = await cli('users', 'suspend', user_id, '--reason', 'other')
    expect(again.out).toMatch(/^Nothing was changed: .+ by operator:cli: ticket 4711\n$/)
    const trail = await cli('audit', 'list', '--actor', 'operator:cli', '--user-id', user_id)
    expect(trail.out).toMatch(/user_suspended +operator:cli .+ticket 4711/)
    expect((await cli('users', 'reinstate', user_id)).out).toContain('may log in again')
    expect(JSON.parse((await cli('users', 'show', user_id)).out)).toMatchObject({
      status: 'active',
      suspend_reason: null,
    })
  })

  test('sessions end, roles are replaced, and an erasure takes what lies outside of the database, too', async () => {
    const first = await login('Terminal Tom')
    await login('Terminal Tom')
    const openid = gateway.simulator.openidOf(APPID, 'Terminal Tom')
    const { sessions } = JSON.parse((await cli('users', 'show', first.user_id)).out)
    expect((await cli('users', 'end', first.user_id, '--session', sessions[0].sid)).out).toContain('1 session(s)')
    expect((await cli('users', 'roles', first.user_id, '--roles', 'vip,editor')).out).toContain('editor, vip')
    expect((await cli('users', 'end', first.user_id)).out).toContain('1 session(s)')
    expect((await cli('users', 'erase', first.user_id)).status).toBe(2)
    expect((await cli('users', 'erase', first.user_id, '--confirm', first.user_id.slice(-8))).out).toContain(
      'is erased',
    )
    expect(JSON.parse((await cli('users', 'show', first.user_id)).out)).toMatchObject({ status: 'erased' })
    expect(openid).not.toBe('')
  })

  test('what is wrong is named, with 1 for a refusal and 2 for a wrong call', async () => {
    const nobody = '00000000-0000-7000-8000-000000000000'
    expect(await cli('users', 'show', nobody)).toMatchObject({
      status: 1,
      out: expect.stringContaining('no such user'),
    })
    expect(await cli('users', 'search', '--status', 'gone')).toMatchObject({
      status: 1,
      out: expect.stringContaining('status'),
    })
    for (const args of [
      ['users', 'show'],
      ['users', 'show', '../audit'],
      ['users', 'suspend', nobody],
      ['users', 'end', nobody, '--session', 'x'],
      ['audit', 'list', '--who', 'me'],
    ])
      expect([args, (await cli(...args)).status]).toEqual([args, 2])
  })
})
