/** What the publisher does between polls and while its store is away, with time in hand. */
import { decodeJwt } from 'jose'
import { expect, test, vi } from 'vitest'
import { testClock } from '../clock.ts'
import { createStatusLists } from './publisher.ts'
import { compress, emptyBits, LIST_BITS, setBit } from './status-list.ts'

function setUp() {
  const clock = testClock()
  const state = {
    away: false,
    kid: 'k1',
    ended: [] as number[],
    since: [] as (string | undefined)[],
    position: { next: 10, horizon: '700', server: 'one' },
    serverKept: undefined as string | undefined,
    kept: 0,
    /** What other replicas do between this one's question to the cache and the one to the database. */
    afterKept: () => {},
    putBack: 0,
    pagesBeforeOutage: Number.POSITIVE_INFINITY,
  }
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const sign = vi.fn(
    async (typ: string, payload: string) => `${part({ typ, kid: state.kid })}.${part(JSON.parse(payload))}.x`,
  )
  const failWhenAway = () => {
    if (state.away) throw new Error('away')
  }
  const lists = createStatusLists({
    clock,
    elapsedMs: () => clock.now().getTime(),
    handedOut: {
      async kept() {
        const kept = { place: state.kept, server: state.serverKept }
        state.afterKept()
        return kept
      },
      async keep(place, server) {
        state.kept = Math.max(state.kept, place)
        state.serverKept = server
      },
    },
    onPutBack: () => {
      state.putBack += 1
    },
    issuer: 'https://a.example',
    ttlSeconds: 30,
    ring: {
      sign,
      maySign: () => true,
      list: () => [
        {
          kid: state.kid,
          state: 'active',
          alg: 'ES256',
          publishedAt: clock.now(),
          activatesAt: clock.now(),
          signsUntil: undefined,
        },
      ],
    },
    store: {
      async *ended(since) {
        failWhenAway()
        state.since.push(since)
        let pages = 0
        for (const index of state.ended) {
          if (pages >= state.pagesBeforeOutage) throw new Error('away')
          pages += 1
          yield [index]
        }
      },
      async position() {
        failWhenAway()
        return { ...state.position, seed: '1' }
      },
      lowestIndex: async () => 0,
    },
    onError: (error) => {
      throw error
    },
  })
  const lst = () => decodeJwt<{ status_list: { lst: string } }>(lists.find(0)?.jwt ?? '').status_list.lst
  return { clock, state, sign, lists, lst }
}

const withBits = (...places: number[]) => {
  const bits = emptyBits()
  for (const place of places) setBit(bits, place)
  return compress(bits)
}

test('a session that ends here is published without a poll, even while PostgreSQL is away', async () => {
  const { clock, lists, lst, state } = setUp()
  await lists.poll()
  state.away = true
  clock.advance(1)
  lists.markEnded([3])
  const expected = await withBits(3)
  await vi.waitFor(() => expect(lst()).toBe(expected), { timeout: 3000 })
  lists.stop()
})

test('nothing is served as complete before all that had ended is known', async () => {
  const { clock, lists, state, lst } = setUp()
  state.ended = [1, 2]
  state.pagesBeforeOutage = 1
  await expect(lists.poll()).rejects.toThrow('away')
  expect(lists.ready()).toBe(false)
  state.pagesBeforeOutage = 2
  clock.advance(1)
  await lists.poll()
  expect(lists.ready()).toBe(true)
  const expected = await withBits(1, 2)
  await vi.waitFor(() => expect(lst()).toBe(expected), { timeout: 3000 })
  lists.stop()
})

test('a list without news is neither compressed nor signed again, until half its life is over or the key changes', async () => {
  const { clock, lists, sign, state } = setUp()
  await lists.poll()
  const first = lists.find(0)
  sign.mockClear()
  clock.advance(200)
  await lists.poll()
  expect(sign).not.toHaveBeenCalled()
  expect(lists.find(0)).toBe(first)
  clock.advance(150)
  await lists.poll()
  const second = lists.find(0)
  expect(second?.etag).not.toBe(first?.etag)
  state.kid = 'k2'
  await lists.poll()
  expect(lists.find(0)?.etag).not.toBe(second?.etag)
  // The list in use and the four after it, twice.
  expect(sign).toHaveBeenCalledTimes(10)
})

test('a poll goes on from the horizon of the last one that succeeded, and the age grows from there', async () => {
  const { clock, lists, state } = setUp()
  expect(lists.ageSeconds()).toBe(Number.POSITIVE_INFINITY)
  await lists.poll()
  state.away = true
  clock.advance(100)
  await expect(lists.poll()).rejects.toThrow('away')
  expect(lists.ageSeconds()).toBe(100)
  state.away = false
  state.position.horizon = '800'
  await lists.poll()
  await lists.poll()
  expect(state.since).toEqual([undefined, '700', '800'])
  expect(lists.ageSeconds()).toBe(0)
})

test('the lists after the newest are there before their first session, and one beyond them with its first end', async () => {
  const { lists } = setUp()
  await lists.poll()
  expect([1, 2, 3, 4, 5].map((list) => lists.find(list) !== undefined)).toEqual([true, true, true, true, false])
  lists.markEnded([5 * LIST_BITS])
  await vi.waitFor(() => expect(lists.find(5)).toBeDefined(), { timeout: 3000 })
  lists.stop()
})

test('a list that one replica names is there on another that has not polled since the turn of a list', async () => {
  const [before, after] = [setUp(), setUp()]
  for (const { state, next } of [
    { state: before.state, next: LIST_BITS - 5 },
    { state: after.state, next: LIST_BITS + 5 },
  ])
    state.position = { ...state.position, next }
  await Promise.all([before.lists.poll(), after.lists.poll()])
  expect(after.lists.numbers()).toEqual([0, 1])
  expect(after.lists.numbers().filter((list) => !before.lists.find(list))).toEqual([])
  for (const { lists } of [before, after]) lists.stop()
})

test('a database that was put back is read whole, and hands out no place that was handed out before', async () => {
  const { lists, state } = setUp()
  await lists.poll()
  expect(lists.allocated()).toEqual({ next: 10, seed: '1', server: 'one' })
  state.position = { next: 4, horizon: '900', server: 'one' }
  await lists.poll()
  expect(lists.allocated().next).toBe(10)
  state.position = { next: 12, horizon: '650', server: 'one' }
  await lists.poll()
  expect(state.since).toEqual([undefined, undefined, undefined])
  expect(state.putBack).toBe(2)
  state.position = { next: 13, horizon: '660', server: 'one' }
  await lists.poll()
  expect(state.since.at(-1)).toBe('650')
  expect(state.putBack).toBe(2)
})

test('what was handed out is remembered beside the database: a new process starts beyond it, and says so once', async () => {
  const { lists, state } = setUp()
  state.kept = 5000
  for (let poll = 0; poll < 3; poll += 1) await lists.poll()
  expect(lists.allocated().next).toBe(5000)
  expect(state.putBack).toBe(1)
  // No login yet: what has ended is not read whole again and again.
  expect(state.since).toEqual([undefined, '700', '700'])
})

test('a replica that starts is ready once every list is signed, not with the first of them', async () => {
  const { lists, sign } = setUp()
  const ready: boolean[] = []
  sign.mockImplementation(async (typ, payload) => {
    ready.push(lists.ready())
    return `${typ}.${payload}.x`
  })
  await lists.poll()
  expect(ready).toEqual([false, false, false, false, false])
  expect(lists.ready()).toBe(true)
})

test('an outage alone moves nothing on: another server would begin again where it led', async () => {
  const { lists, state } = setUp()
  await lists.poll()
  state.away = true
  for (let attempt = 0; attempt < 3; attempt += 1) await expect(lists.poll()).rejects.toThrow('away')
  state.away = false
  await lists.poll()
  expect(lists.allocated().next).toBe(10)
})

test('another server that nobody noticed, failed over to or restored, is read whole and numbers on beyond what may be lost', async () => {
  const { lists, state } = setUp()
  await lists.poll()
  state.position = { next: 11, horizon: '701', server: 'two' }
  await lists.poll()
  expect(lists.allocated()).toEqual({ next: 10 + 65_536, seed: '1', server: 'two' })
  expect(state.since).toEqual([undefined, undefined])
  // That is no alert: a server may be restarted.
  expect(state.putBack).toBe(0)
  await lists.poll()
  expect(lists.allocated().next).toBe(10 + 65_536)
})

test('one switch of the server moves every replica on once: what one of them jumped over, the next leaves as it is', async () => {
  const [one, two] = [setUp(), setUp()]
  await Promise.all([one.lists.poll(), two.lists.poll()])
  // A login through the first has made the new server jump, and its poll has kept that for the others.
  const jumped = LIST_BITS + 1
  one.state.position = { next: jumped, horizon: '701', server: 'two' }
  await one.lists.poll()
  expect(one.lists.allocated().next).toBe(jumped)
  Object.assign(two.state, { position: one.state.position, kept: one.state.kept, serverKept: one.state.serverKept })
  await two.lists.poll()
  expect(two.lists.allocated().next).toBe(jumped)
  await one.lists.poll()
  expect(one.lists.allocated().next).toBe(jumped)
  expect(one.state.putBack).toBe(0)
})

test('a place that another replica kept between two readings of this one is no sign that the database was put back', async () => {
  const { lists, state } = setUp()
  await lists.poll()
  state.afterKept = () => Object.assign(state, { kept: 40, position: { ...state.position, next: 40 } })
  await lists.poll()
  expect([state.putBack, lists.allocated().next]).toEqual([0, 40])
})

test('a process that starts on another server than the others knew leaves the same places out', async () => {
  const { lists, state } = setUp()
  Object.assign(state, { serverKept: 'before the crash', kept: 10 })
  await lists.poll()
  expect(lists.allocated().next).toBe(10 + 65_536)
})
