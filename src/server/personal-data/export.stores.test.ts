/** Exports of people with a long history: bounded for the process, whoever asks and however slowly they read. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Envelope, startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'

const EVENTS = 60_000

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway()
})
afterAll(() => gateway.close())

const request = (token: string, it = gateway) =>
  it.publicApp.request('/api/user/export', { headers: { authorization: `Bearer ${token}` } })

/** Reads all of it, as a client does. */
async function whole(token: string, it = gateway) {
  const reply = await request(token, it)
  return { status: reply.status, body: (await reply.json()) as Envelope }
}

/** Somebody with `count` audit events, several to a millisecond and some at the same instant. */
async function veteran(person: string, count: number) {
  const { token, user_id: userId } = (await gateway.login(person)).body.data
  const statement = {
    name: `history of ${person}`,
    text: `insert into audit_events (at, kind, user_id, actor, ip, detail)
      select date_trunc('hour', now()) - interval '1 day' + make_interval(secs => (n / 3) * 0.000007), 'login', $1::uuid, 'user', '203.0.113.7',
        jsonb_build_object('n', n)
      from generate_series(1, $2::int) n`,
  }
  await gateway.stores.database.run(statement, [userId, count])
  return { token, userId }
}

describe('an export of 60,000 audit events', () => {
  let token: string
  beforeAll(async () => {
    token = (await veteran('veteran', EVENTS)).token
  }, 60_000)

  test('comes whole, in order and each once, in pieces that are fetched as they are read', async () => {
    const reply = await request(token)
    expect(reply.status).toBe(200)
    const text: string[] = []
    let largest = 0
    for await (const chunk of reply.body ?? []) {
      largest = Math.max(largest, chunk.length)
      text.push(Buffer.from(chunk).toString())
    }
    expect(text.length).toBeGreaterThan(EVENTS / 2000)
    expect(largest).toBeLessThan(512 * 1024)
    const { code, data } = JSON.parse(text.join('')) as Envelope
    expect(code).toBe('00000')
    const numbers = data.events.flatMap(({ detail }: { detail: { n: number } | null }) => detail?.n ?? [])
    expect(numbers).toEqual(Array.from({ length: EVENTS }, (_, n) => n + 1))
  }, 60_000)

  test('takes the memory of a piece, not of the whole', async () => {
    const reader = (await request(token)).body?.getReader()
    await reader?.read()
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    let most = 0
    for (let part = await reader?.read(), n = 0; part && !part.done; part = await reader?.read(), n += 1) {
      if (n % 10 > 0) continue
      collectGarbage()
      most = Math.max(most, process.memoryUsage().heapUsed - before)
    }
    expect(most).toBeLessThan(32 * 1024 * 1024)
  }, 60_000)
})

describe('exports under way', () => {
  /** Reads the first piece and then waits. */
  async function begin(token: string) {
    const reply = await request(token)
    const reader = reply.status === 200 ? reply.body?.getReader() : undefined
    await reader?.read()
    return { reply, end: () => reader?.cancel() }
  }

  test('of one user are one: beside it another is A0501, and after it there is room again', async () => {
    const { token } = await veteran('eager', 3000)
    const replies = await Promise.all(Array.from({ length: 12 }, () => begin(token)))
    expect(replies.map(({ reply }) => reply.status).sort()).toEqual([200, ...Array(11).fill(429)])
    const refused = replies.find(({ reply }) => reply.status === 429)?.reply
    expect(refused?.headers.get('retry-after')).toBeTruthy()
    await Promise.all(replies.map(({ end }) => end()))
    expect((await whole(token)).body.data.events.length).toBeGreaterThan(3000)
    expect((await whole(token)).status).toBe(200)
  })

  test('are few in a process, and the next is B0210 with Retry-After', async () => {
    const people = await Promise.all(Array.from({ length: 5 }, (_, n) => veteran(`one of many ${n}`, 3000)))
    const replies = []
    for (const { token } of people) replies.push(await begin(token))
    expect(replies.map(({ reply }) => reply.status)).toEqual([200, 200, 200, 200, 503])
    const refused = replies[4]?.reply
    expect(refused?.headers.get('retry-after')).toBeTruthy()
    expect(await refused?.json()).toMatchObject({ code: 'B0210' })
    await Promise.all(replies.map(({ end }) => end()))
    expect((await whole(people[4]?.token ?? '')).status).toBe(200)
  })

  test('that meet an outage break off, so that nobody takes a part for the whole, and leave their place', async () => {
    const { token } = await veteran('unlucky', 3000)
    const { kysely } = gateway.stores.database
    const reader = (await request(token)).body?.getReader()
    await reader?.read()
    const { transaction } = kysely
    kysely.transaction = () => {
      throw new Error('the database went away')
    }
    const rest = async () => {
      for (let part = await reader?.read(); !part?.done; part = await reader?.read());
    }
    await expect(rest()).rejects.toThrow('went away')
    kysely.transaction = transaction
    expect(gateway.logs()).toContain('an export broke off')
    expect((await whole(token)).status).toBe(200)
  })

  test('are limited by user', async () => {
    const it = await gateway.replica({ RATE_LIMIT: 'on', RATE_LIMIT_EXPORTS_PER_USER: '2/60' })
    const { token } = await veteran('collector', 10)
    const statuses = []
    for (let n = 0; n < 3; n += 1) {
      statuses.push((await whole(token, it)).status)
    }
    expect(statuses).toEqual([200, 200, 429])
  })
})
