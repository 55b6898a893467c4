/** The key ring of one process: which key signs, which are published and for how long, and what happens when one is retired or forged. */
import { compactVerify, decodeProtectedHeader } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import { type MemoryKeys, memoryKeys, ringOn, testSchedule, testSealer } from '../../dev/testing/memory-keys.ts'
import { type TestClock, testClock } from '../clock.ts'
import { SealError } from '../crypto/seal.ts'
import { type KeyRing, openKey, opens, sealContext } from './ring.ts'
import { leadSeconds } from './schedule.ts'
import { generateSigningKey } from './signing-key.ts'

const OPERATOR = { name: 'operator:alice', ip: '203.0.113.7', requestId: 'r1' }
const { rotationSeconds, publishAheadSeconds, tokenTtlSeconds, jwksMaxAgeSeconds } = testSchedule

let clock: TestClock
let keys: MemoryKeys
let ring: KeyRing
beforeEach(async () => {
  clock = testClock()
  keys = memoryKeys()
  ring = ringOn(keys, clock)
  await ring.tick()
})

const kidOf = (of: KeyRing = ring) => of.list().find(({ state }) => state === 'active')?.kid ?? ''
const published = (of: KeyRing = ring): string[] =>
  JSON.parse(of.jwks().body).keys.map(({ kid }: { kid: string }) => kid)
const signer = async (of: KeyRing = ring) => decodeProtectedHeader(await of.sign('JWT', '{}')).kid

/** Lets the ring run to a moment, as its timer would: every `step` seconds. */
async function runTo(seconds: number, step = 3_600): Promise<void> {
  const end = testClock().now().getTime() + seconds * 1000
  while (clock.now().getTime() < end) {
    clock.advance(Math.min(step, (end - clock.now().getTime()) / 1000))
    await ring.tick()
  }
}

describe('a new ring', () => {
  test('has nothing to sign with or to publish before it was filled', async () => {
    const empty = ringOn(memoryKeys(), clock)
    expect([empty.ready(), empty.jwks().body, empty.algorithms(), empty.list()]).toEqual([false, '{"keys":[]}', [], []])
    await expect(empty.sign('JWT', '{}')).rejects.toMatchObject({ code: 'B0320', retryAfterSeconds: 2 })
    expect(empty.verificationKey('x')).toBeUndefined()
  })

  test('makes one key, which signs at once, and whose private half is sealed under its own name', async () => {
    expect(ring.ready()).toBe(true)
    expect(keys.kept).toHaveLength(1)
    const [key] = keys.kept
    expect(key).toMatchObject({
      generation: 1,
      alg: 'ES256',
      retiredAt: null,
      publishedAt: clock.now(),
      activatesAt: clock.now(),
    })
    expect(published()).toEqual([key?.kid])
    expect(await signer()).toBe(key?.kid)
    const sealed = String(key?.sealedPrivateJwk)
    expect(JSON.parse(testSealer().open(sealed, `signing-key:${key?.kid}`))).toHaveProperty('d')
    expect(() => testSealer().open(sealed, 'signing-key:other')).toThrow(SealError)
  })

  test('goes on with the key that is there', async () => {
    const second = ringOn(keys, clock)
    await second.tick()
    expect(keys.kept).toHaveLength(1)
    const found = ring.verificationKey(kidOf())
    expect(found?.alg).toBe('ES256')
    if (!found) throw new Error('unreachable')
    await compactVerify(await second.sign('JWT', '{"a":1}'), found.key)
  })

  test('takes the key of another replica that was faster', async () => {
    const late = ringOn({ ...keys, store: { ...keys.store, add: async () => false } }, clock)
    await late.tick()
    expect(kidOf(late)).toBe(kidOf())
  })
})

test('a signature says algorithm, kid and typ in its header, and carries the payload as it is', async () => {
  for (const typ of ['JWT', 'at+jwt', 'JWT']) {
    const [header = '', payload = ''] = (await ring.sign(typ, '{"sub":"用户"}')).split('.')
    expect(Buffer.from(header, 'base64url').toString()).toBe(`{"alg":"ES256","kid":"${kidOf()}","typ":"${typ}"}`)
    expect(Buffer.from(payload, 'base64url').toString()).toBe('{"sub":"用户"}')
  }
})

test('the published document changes its ETag with its content, and only then', async () => {
  const before = ring.jwks()
  await ring.tick()
  expect(ring.jwks()).toEqual(before)
  expect(before.etag).toMatch(/^"[\w-]{22}"$/)
  await ring.rotate(undefined, OPERATOR)
  expect(ring.jwks().etag).not.toBe(before.etag)
})

test('nothing is signed while the clock of this process is wrong', async () => {
  let problem: string | undefined = 'the clock is 90 s ahead'
  const wrong = ringOn(keys, clock, { skew: { problem: () => problem } })
  await wrong.tick()
  expect(wrong.maySign()).toBe(false)
  await expect(wrong.sign('JWT', '{}')).rejects.toMatchObject({
    code: 'B0320',
    retryAfterSeconds: 10,
    message: problem,
  })
  problem = undefined
  expect(wrong.maySign()).toBe(true)
  expect(await signer(wrong)).toBe(kidOf())
  expect(ring.maySign()).toBe(true)
})

test('a replica looks for keys of others often: every two seconds, and every quarter of a second where periods are short', () => {
  const every = (seconds: number) =>
    ringOn(keys, clock, { schedule: { ...testSchedule, publishAheadSeconds: seconds } }).tickEveryMs
  expect([86_400, 20, 10, 5, 1].map(every)).toEqual([2000, 2000, 1000, 500, 250])
})

describe('rotation', () => {
  test('publishes the next key the whole lead before it signs, and takes the old one away to the second', async () => {
    const first = kidOf()
    const lead = leadSeconds(testSchedule)
    await runTo(rotationSeconds - lead - 1)
    expect(published()).toEqual([first])
    await runTo(rotationSeconds - lead)
    const [, second = ''] = published()
    expect(published()).toEqual([first, second])
    expect(ring.list().map(({ state }) => state)).toEqual(['active', 'pending'])
    await runTo(rotationSeconds - 1)
    expect(await signer()).toBe(first)
    await runTo(rotationSeconds)
    expect(await signer()).toBe(second)
    expect(ring.list().map(({ state }) => state)).toContain('retiring')
    const last = rotationSeconds + tokenTtlSeconds + 300 + jwksMaxAgeSeconds
    await runTo(last)
    expect(published()).toContain(first)
    expect(ring.verificationKey(first)).toBeDefined()
    await runTo(last + 1)
    expect(published()).not.toContain(first)
    expect(ring.verificationKey(first)).toBeUndefined()
    expect(keys.kept.map(({ kid }) => kid)).not.toContain(first)
  })

  test('by an operator publishes a key that signs after the lead, or as soon as is asked, and is audited', async () => {
    const change = await ring.rotate(undefined, OPERATOR)
    const pending = change.keys.find(({ state }) => state === 'pending')
    expect(pending?.activatesAt).toEqual(new Date(clock.now().getTime() + leadSeconds(testSchedule) * 1000))
    expect(published()).toContain(pending?.kid)
    expect(change.warnings).toEqual([])
    expect(keys.audited).toEqual([
      {
        kind: 'key_rotated',
        at: clock.now(),
        actor: OPERATOR,
        detail: { kid: pending?.kid, activates_at: pending?.activatesAt.toISOString() },
      },
    ])
    const before = kidOf()
    clock.advance(1)
    const now = await ring.rotate(0, OPERATOR)
    expect(await signer()).not.toBe(before)
    expect(now.warnings.join()).toContain('HTTP caches may serve')
  })

  test('tries again when another replica takes its generation, and gives up after five times', async () => {
    let refusals = 4
    const add = keys.store.add
    const store = {
      ...keys.store,
      add: (async (...args) => (refusals-- > 0 ? false : await add(...args))) as typeof add,
    }
    expect((await ringOn(keys, clock, { store }).rotate(undefined, OPERATOR)).keys).toHaveLength(2)
    refusals = 5
    await expect(ringOn(keys, clock, { store }).rotate(undefined, OPERATOR)).rejects.toMatchObject({
      code: 'B0320',
      retryAfterSeconds: 1,
    })
  })

  test('to another algorithm signs with the old one until the new one is known', async () => {
    const changed = ringOn(keys, clock, { schedule: { ...testSchedule, alg: 'EdDSA' } })
    await changed.tick()
    expect(changed.algorithms().sort()).toEqual(['ES256', 'EdDSA'].sort())
    expect(decodeProtectedHeader(await changed.sign('JWT', '{}')).alg).toBe('ES256')
    clock.advance(publishAheadSeconds + 10)
    await changed.tick()
    expect(decodeProtectedHeader(await changed.sign('JWT', '{}')).alg).toBe('EdDSA')
  })
})

describe('a key that is retired', () => {
  test('is gone at once, and a new one signs', async () => {
    const old = kidOf()
    const change = await ring.retire(old, OPERATOR)
    expect(change?.keys.map(({ state }) => state)).toEqual(['active'])
    expect(change?.warnings.join('\n')).toMatch(
      /may accept the retired key[\s\S]*does not know the new key for up to 7200 s/,
    )
    expect([published().includes(old), ring.verificationKey(old)]).toEqual([false, undefined])
    expect(await signer()).not.toBe(old)
    expect(keys.audited).toEqual([{ kind: 'key_retired', at: clock.now(), actor: OPERATOR, detail: { kid: old } }])
    expect(await ring.retire(old, OPERATOR)).toBeUndefined()
    expect(await ring.retire('unknown', OPERATOR)).toBeUndefined()
  })

  test('hands over to the pending one, which many caches know, so that fewer are warned of', async () => {
    const old = kidOf()
    await ring.rotate(undefined, OPERATOR)
    const pending = published().find((kid) => kid !== old)
    clock.advance(8_000)
    const change = await ring.retire(old, OPERATOR)
    expect(await signer()).toBe(pending)
    expect(keys.kept.map(({ kid }) => kid)).not.toContain(old)
    expect(change?.warnings.join()).not.toContain('does not know the new key')
  })

  test('warns of those alone that had no time to learn the pending one', async () => {
    await ring.rotate(undefined, OPERATOR)
    clock.advance(4_000)
    const warnings = (await ring.retire(kidOf(), OPERATOR))?.warnings.join('\n')
    expect(warnings).toContain('does not know the new key for up to 7200 s')
    expect(warnings).not.toContain('does not know the new key for up to 3600 s')
  })

  test('that is only pending leaves the active one as it is', async () => {
    const active = kidOf()
    await ring.rotate(undefined, OPERATOR)
    const pending = published().find((kid) => kid !== active) ?? ''
    const change = await ring.retire(pending, OPERATOR)
    expect(published()).toEqual([active])
    expect(change?.warnings.join()).not.toContain('new key')
  })

  test('does not hand over to one that cannot be opened; that one is named, since it has to go too', async () => {
    const old = kidOf()
    await ringOn(keys, clock, { sealer: testSealer(9) })
      .rotate(undefined, OPERATOR)
      .catch(() => undefined)
    const foreign = keys.kept.find(({ kid }) => kid !== old)?.kid
    const change = await ring.retire(old, OPERATOR)
    expect(change?.keys.find(({ state }) => state === 'active')?.kid).not.toBe(foreign)
    expect(change?.warnings.at(-1)).toContain(`cannot decrypt signing key ${foreign}`)
  })

  test('that cannot be opened is told of by what to do about it, with the id of the encryption key', () => {
    const [key] = keys.kept
    if (!key) throw new Error('unreachable')
    const failure = (() => {
      try {
        return openKey(testSealer(9), key)
      } catch (error) {
        return error
      }
    })()
    expect(failure).toBeInstanceOf(SealError)
    expect(failure).toMatchObject({ keyId: 'k0', message: expect.stringContaining(`keys retire ${key.kid}`) })
    expect([opens(testSealer(), key), opens(testSealer(9), key)]).toEqual([true, false])
    const defect = new TypeError('a defect')
    const broken = {
      ...testSealer(),
      open: () => {
        throw defect
      },
    }
    expect(() => openKey(broken, key)).toThrow(defect)
    expect(() => opens(broken, key)).toThrow(defect)
    expect(sealContext('a')).toBe('signing-key:a')
  })

  test('a store that fails after the change is no warning, but a failure', async () => {
    const outage = new Error('away')
    let fails = 0
    const { list, retire } = keys.store
    const store: typeof keys.store = {
      ...keys.store,
      list: async () => (fails-- > 0 ? Promise.reject(outage) : await list()),
      async retire(...args) {
        const done = await retire(...args)
        fails = 1
        return done
      },
    }
    await expect(ringOn(keys, clock, { store }).retire(kidOf(), OPERATOR)).rejects.toBe(outage)
  })
})

describe('a public key in the store that its kid does not name', () => {
  const told: string[] = []
  const watching = () => ringOn(keys, clock, { onForged: (kids) => void told.push(kids.join()) })
  beforeEach(() => void told.splice(0))

  async function forge(): Promise<string> {
    const [key] = keys.kept
    const other = await generateSigningKey('ES256')
    if (!key) throw new Error('unreachable')
    key.publicJwk = { ...other.publicJwk, kid: key.kid }
    return key.kid
  }

  test('is neither published nor believed by a ring that starts, and is told of once', async () => {
    const kid = await forge()
    const fresh = watching()
    await fresh.tick()
    await fresh.tick()
    expect(published(fresh)).not.toContain(kid)
    expect(fresh.verificationKey(kid)).toBeUndefined()
    expect(told).toEqual([kid])
    await ringOn(keys, clock).tick()
    // The generation of the forged one is taken, so the new key has the next.
    expect(keys.kept.map(({ generation }) => generation)).toEqual([1, 2])
  })

  test('leaves a ring that knew the right one with that, and is told of again after it was mended and came back', async () => {
    const ours = watching()
    await ours.tick()
    const [key] = keys.kept
    const right = key?.publicJwk ?? {}
    const kid = await forge()
    await ours.tick()
    expect(JSON.parse(ours.jwks().body).keys).toEqual([right])
    if (key) key.publicJwk = right
    await ours.tick()
    await forge()
    await ours.tick()
    expect(told).toEqual([kid, kid])
  })
})

test('a key that only verifies is not opened, and one that an older database time makes look active does not sign', async () => {
  await runTo(rotationSeconds - leadSeconds(testSchedule))
  await runTo(rotationSeconds)
  const [old, next] = keys.kept
  if (!old || !next) throw new Error('unreachable')
  const sealed = old.sealedPrivateJwk
  old.sealedPrivateJwk = 'v2.lost.AAAA'
  const fresh = ringOn(keys, clock)
  await fresh.tick()
  expect(fresh.verificationKey(old.kid)).toBeDefined()
  clock.advance(-600)
  expect(await signer(fresh)).toBe(next.kid)
  // Once it can be opened it is, and signs.
  old.sealedPrivateJwk = sealed
  await fresh.tick()
  expect(await signer(fresh)).toBe(old.kid)
})
