/** A line for a reader: colours by status, a reason in words, and a stack for a defect alone. */
import { expect, test } from 'vitest'
import { createLog } from '../server/observability/log.ts'
import { createRequestLines } from './request-lines.ts'

function create(colours = false) {
  const written: string[] = []
  const { destination, around } = createRequestLines({ write: (line) => written.push(line), colours })
  return { written, around, log: createLog({ level: 'info', destination }) }
}

const line = { method: 'GET', route: '/api/sessions/:sid', status: 200, durationMs: 1.234 }

test('the path is the one that was asked for, without its query', async () => {
  const { written, around, log } = create()
  const app = around(8080, {
    fetch: () => {
      log.info({ ...line, userId: 'u1' }, 'request')
      return new Response()
    },
  })
  await app.fetch(new Request('http://localhost:8080/api/sessions/s1?code=secret'), {})
  expect(written).toEqual([
    expect.stringMatching(/^\d\d:\d\d:\d\d 8080 GET {4}\/api\/sessions\/s1 200 1\.2 ms user u1\n$/),
  ])
})

test('a store that is away is its reason in a line; a defect has its stack', () => {
  const { written, log } = create()
  const error = new Error('it broke', { cause: new Error('connect ECONNREFUSED') })
  log.error({ ...line, status: 503, errorCode: 'B0320', error }, 'failed: unavailable')
  expect(written).toHaveLength(1)
  expect(written[0]).toMatch(/ 503 1\.2 ms B0320 failed: unavailable \(it broke: connect ECONNREFUSED\)\n$/)
  log.error({ ...line, status: 500, errorCode: 'B0001', error }, 'failed: internal error')
  expect(written).toHaveLength(3)
  expect(written[2]).toMatch(/^Error: it broke\n {4}at .*request-lines\.test\.ts/)
})

test('what is no request keeps its words, and a warning is no stack', () => {
  const { written, log } = create()
  log.info('ready')
  log.warn({ error: new Error('gone') }, 'Redis connection')
  expect(written.map((text) => text.slice(9))).toEqual(['ready\n', 'Redis connection: gone\n'])
})

test.each([
  [200, 32],
  [404, 33],
  [500, 31],
])('%i has the colour %i', (status, colour) => {
  const { written, log } = create(true)
  log.info({ ...line, status }, 'request')
  expect(written[0]).toContain(`\u001b[${colour}m${status}\u001b[39m`)
})
