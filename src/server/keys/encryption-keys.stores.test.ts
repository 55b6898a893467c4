/** ENCRYPTION_KEYS over a gateway's life: rolled without downtime, resealed, lost and recovered from; on both kinds of stores. */
import { randomBytes } from 'node:crypto'
import { decodeProtectedHeader } from 'jose'
import { afterEach, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { createSealer, SealError } from '../crypto/seal.ts'
import { type ResealReport, reseal } from './reseal.ts'
import { createKeyRing, type KeyRing } from './ring.ts'
import { scheduleOf } from './schedule.ts'
import { createKeyStore } from './store.ts'

const secret = () => randomBytes(32).toString('base64')
const k1 = `k1:${secret()}`
const k2 = `k2:${secret()}`
const DAY_MS = 86_400_000
const actor = { ip: undefined, requestId: undefined, name: 'operator:test' }

let offsetMs = 0
const clock = { now: () => new Date(Date.now() + offsetMs) }
const opened: TestGateway[] = []
const kept = (gateway: TestGateway) => {
  opened.push(gateway)
  return gateway
}
const start = async (keys: string) => kept(await startTestGateway({ clock, environment: { ENCRYPTION_KEYS: keys } }))
const replica = async (of: TestGateway, keys: string) => kept(await of.replica({ ENCRYPTION_KEYS: keys }))
afterEach(async () => {
  offsetMs = 0
  for (const gateway of opened.splice(0).reverse()) await gateway.close()
})

const partsOf = ({ stores, config }: TestGateway) => ({
  store: createKeyStore(stores.database),
  sealer: createSealer(config.encryptionKeys),
  clock,
})
const resealWith = (gateway: TestGateway): Promise<ResealReport> =>
  reseal({ ...partsOf(gateway), config: gateway.config, actor })
/** As an operator's command has it: it has loaded nothing. */
const ringOf = (gateway: TestGateway, keys: string): KeyRing => {
  const { store } = partsOf(gateway)
  const [id = '', base64 = ''] = keys.split(':')
  const sealer = createSealer([{ id, secret: Buffer.from(base64, 'base64') }])
  return createKeyRing({ store, sealer, clock, schedule: scheduleOf(gateway.config) })
}
const sealedUnder = async ({ stores }: TestGateway): Promise<string[]> =>
  (await createKeyStore(stores.database).list()).map((key) => key.sealedPrivateJwk.split('.')[1] ?? '')

describe('rolled', () => {
  test('new behind old, new first, resealed, old dropped: no login and no refresh fails on the way', async () => {
    const first = await start(k1)
    const old = (await first.login('patient')).body.data
    let latest = old
    const stages = [k1, `${k1},${k2}`, `${k2},${k1}`]
    for (const [index, keys] of stages.entries()) {
      // While a rollout goes on, replicas of both stages share the work.
      const pair = [
        await replica(first, stages[index - 1] ?? k1),
        await replica(first, keys),
        await replica(first, stages[index + 1] ?? keys),
      ]
      for (const one of pair) {
        const renewed = await one.post('/api/refresh', { refresh_token: latest.refresh_token })
        expect(renewed.body).toMatchObject({ code: '00000', data: { user_id: old.user_id } })
        latest = renewed.body.data
        expect((await one.login('newcomer')).body.code).toBe('00000')
      }
    }
    const rolled = await replica(first, `${k2},${k1}`)
    expect(await sealedUnder(rolled)).toEqual(['k1'])
    expect(await resealWith(rolled)).toMatchObject({ encryptionKey: 'k2', resealed: [expect.any(String)], lost: [] })
    expect(await sealedUnder(rolled)).toEqual(['k2'])
    const last = await replica(first, k2)
    expect(decodeProtectedHeader((await last.login('patient')).body.data.token).kid).toBe(
      decodeProtectedHeader(old.token).kid,
    )
    expect((await last.post('/api/refresh', { refresh_token: latest.refresh_token })).body.code).toBe('00000')
  })

  test('the report says until when refresh tokens and session_keys depend on the old key, counted from the first run', async () => {
    const gateway = await start(k1)
    const rolled = await replica(gateway, `${k2},${k1}`)
    const { refresh_token } = (await gateway.login('somebody')).body.data
    const began = clock.now().getTime()
    const first = (await resealWith(rolled)).others
    expect(first).toMatchObject([{ encryptionKey: 'k1', signingKeys: 0, safeToDrop: false }])
    expect(first[0]?.refreshTokensUntil.getTime()).toBeGreaterThanOrEqual(began + 30 * DAY_MS)
    expect(first[0]?.sessionKeysUntil.getTime()).toBeLessThan(began + 4 * DAY_MS)
    // To drop it today would end that session: exactly what the date is about.
    const hasty = await replica(gateway, k2)
    expect((await hasty.post('/api/refresh', { refresh_token })).body.code).toBe('A0230')

    offsetMs = 29 * DAY_MS
    expect((await resealWith(rolled)).others).toMatchObject([
      { refreshTokensUntil: first[0]?.refreshTokensUntil, safeToDrop: false },
    ])
    offsetMs = 31 * DAY_MS
    expect((await resealWith(rolled)).others).toMatchObject([{ safeToDrop: true }])
  })

  test('parallel runs move each key once, whatever they race with', async () => {
    const gateway = await start(k1)
    const rolled = await replica(gateway, `${k2},${k1}`)
    await ringOf(gateway, k1).rotate(undefined, actor)
    const reports = await Promise.all([resealWith(rolled), resealWith(rolled), resealWith(rolled)])
    expect(reports.flatMap((report) => report.resealed)).toHaveLength(2)
    expect(await sealedUnder(rolled)).toEqual(['k2', 'k2'])
    expect((await resealWith(rolled)).resealed).toEqual([])
    await replica(gateway, k2)
  })
})

describe('lost', () => {
  test('a gateway without the key does not start, and says which key, and both ways on', async () => {
    const gateway = await start(k1)
    const kid = decodeProtectedHeader((await gateway.login('somebody')).body.data.token).kid
    const error = await replica(gateway, k2).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(SealError)
    const message = error instanceof Error ? error.message : ''
    for (const part of ['"k1"', 'ENCRYPTION_KEYS', `auth-gateway keys retire ${kid}`, 'docs/runbook.md'])
      expect(message).toContain(part)
  })

  test('keys that nobody can open are retired one by one, a new one signs, and the gateway starts', async () => {
    const gateway = await start(k1)
    await ringOf(gateway, k1).rotate(undefined, actor)
    const lost = (await createKeyStore(gateway.stores.database).list()).map(({ kid }) => kid)
    const report = await reseal({
      ...partsOf(gateway),
      sealer: createSealer([{ id: 'k2', secret: Buffer.from(k2.slice(3), 'base64') }]),
      config: gateway.config,
      actor,
    })
    expect(report.lost.map(({ kid, encryptionKey }) => [kid, encryptionKey])).toEqual(lost.map((kid) => [kid, 'k1']))

    const ring = ringOf(gateway, k2)
    const [active = '', pending = ''] = lost
    const first = await ring.retire(active, actor)
    // The pending key cannot be opened either: it does not take over, and the operator is told to retire it as well.
    expect(first?.keys.find(({ state }) => state === 'active')?.kid).not.toBe(pending)
    expect(first?.warnings.join()).toContain(`auth-gateway keys retire ${pending}`)
    const second = await ring.retire(pending, actor)
    expect(second?.warnings.join()).not.toContain('auth-gateway keys retire')
    const recovered = await replica(gateway, k2)
    const { token } = (await recovered.login('somebody')).body.data
    expect(lost).not.toContain(decodeProtectedHeader(token).kid)
    expect(await sealedUnder(recovered)).toEqual(['k2'])
  })
})

describe('an encryption key that is dropped right after reseal', () => {
  test('leaves nothing that fails with a defect: open data is A0240, and a code that was exchanged under it is settled anew', async () => {
    const first = await start(k1)
    const code = first.simulator.login(first.config.apps[0]?.appid ?? '', 'hasty')
    const login = await first.post('/api/login', { code })
    const { token } = login.body.data
    const rolled = await replica(first, `${k2},${k1}`)
    await resealWith(rolled)
    const dropped = await replica(first, k2)
    const again = await dropped.post('/api/login', { code })
    expect([again.status, again.body.code]).toEqual([401, 'A0223'])
    const encrypted = { encryptedData: 'AAAAAAAAAAAAAAAAAAAAAA==', iv: 'AAAAAAAAAAAAAAAAAAAAAA==' }
    const phone = await dropped.call('POST', '/api/user/phone', { token, body: encrypted })
    expect([phone.status, phone.body.code]).toEqual([409, 'A0240'])
    expect((await dropped.login('hasty')).status).toBe(200)
    expect(dropped.logs()).not.toContain('defect')
  })
})
