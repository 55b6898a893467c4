/** `EVENT_TARGETS`: what is taken, and what is said about what is not. */
import { describe, expect, test } from 'vitest'
import { eventTargets } from './event-targets.ts'

const read = (targets: unknown) => eventTargets.safeParse(JSON.stringify(targets))
const messages = (targets: unknown) => read(targets).error?.issues.map(({ message }) => message) ?? []
const good = { id: 'orders', audience: 'https://orders.example.com' }

test('a target that polls needs an id and an audience', () => {
  expect(read([good]).data).toEqual([
    { ...good, acknowledges: [], url: undefined, token: undefined, events: undefined },
  ])
})

test.each([
  'https://orders.example.com/events',
  'https://orders.example.com',
  'http://127.0.0.1:8080/events?x=1',
  'http://[::1]/events',
  'http://localhost/events',
  'http://orders/events',
  'http://orders.shop.svc/events',
  'http://orders.shop.svc.cluster.local:8080/events',
])('%s may be pushed to', (url) => {
  expect(read([{ ...good, url }]).data?.[0]?.url).toBe(url)
})

describe('refused, with the member and the reason', () => {
  test.each<[unknown, string]>([
    [{ ...good, url: 'http://orders.example.com/e' }, '0.url: must be https; http only for'],
    [{ ...good, url: 'ftp://orders/e' }, '0.url: must be an https URL'],
    [{ ...good, url: 'orders/e' }, '0.url: must be an https URL'],
    [{ ...good, url: 'https://u:p@orders.example.com/e' }, '0.url: must not hold credentials'],
    [{ ...good, url: 'https://orders.example.com/e#x' }, '0.url: must not have a fragment'],
    [{ ...good, id: 'a b' }, '0.id: must have 1 to 64 letters'],
    [{ id: 'orders' }, '0.audience: '],
    [{ ...good, acknowledges: ['logout'] }, '0.acknowledges.0: '],
    [{ ...good, events: ['user.merged'] }, '0.events.0: '],
    [{ ...good, events: [] }, '0.events: '],
    [{ ...good, acknowledges: ['erasure'], events: ['user.created'] }, '0.events: must hold user.erased'],
    [{ ...good, token: 'a-token-of-16-letters' }, '0.token: is presented to a url'],
    [{ ...good, url: 'https://a', token: 'short' }, '0.token: must have 16 to 4096'],
    [{ ...good, uri: 'https://a' }, 'the list'],
  ])('%j', (target, message) => {
    expect(messages([target])[0]).toContain(message === 'the list' ? '0: ' : message)
  })

  test('two of one id, and what is no list', () => {
    expect(messages([good, good])).toEqual(['"orders" is there twice'])
    expect(messages({})[0]).toMatch(/^the list: /)
    expect(eventTargets.safeParse('nonsense').error?.issues[0]?.message).toMatch(/^must be JSON/)
  })
})
