/** How a verifier starts: what it fetches, and a gateway that is away or is not the right one. */

import type { Script } from './format.ts'
import { accepted, CONFIGURATION, ISSUER, JWKS, json, LIST, LIST_URI, metadata, refused } from './gateway.ts'
import { asked, becomes, DOWN, ENDED_TOKEN, GOOD, no, ok, ready, UP, verify } from './steps.ts'

export const start: Script[] = [
  {
    id: 'lazy',
    why: 'a verifier that is only made fetches nothing',
    steps: [asked(0, '*', { exactly: 0 }), asked(600, '*', { exactly: 0 })],
  },
  {
    id: 'cold',
    why: 'without ready() the first token waits for what it needs, each document once for all requests',
    steps: [
      verify(0, GOOD, accepted(), { parallel: 50 }),
      asked(0, CONFIGURATION, { exactly: 1 }),
      asked(0, JWKS, { exactly: 1 }),
      asked(0, LIST, { exactly: 1 }),
    ],
  },
  {
    id: 'warm',
    why: 'after ready() no request makes a call',
    steps: [
      ready(0),
      asked(0, '*', { exactly: 4 }),
      verify(1, GOOD, accepted(), { times: 50 }),
      verify(1, ENDED_TOKEN, refused('session_ended'), { times: 5 }),
      asked(1, '*', { exactly: 4 }),
    ],
  },
  {
    id: 'away-from-the-start',
    why: 'a gateway that is away from the start is an outage, not a bad token, and is not asked for every request',
    gateway: DOWN,
    steps: [
      ready(0, 'keys_unavailable'),
      verify(0.1, GOOD, refused('keys_unavailable'), { times: 100 }),
      asked(0.1, '*', { atMost: 2 }),
      becomes(10, UP),
      ok(60),
      no(60, ENDED_TOKEN, 'session_ended'),
    ],
  },
  {
    id: 'away-without-ready',
    why: 'the same without ready()',
    gateway: DOWN,
    steps: [verify(0, GOOD, refused('keys_unavailable'), { times: 10 }), becomes(10, UP), ok(60)],
  },
  {
    id: 'never-answers',
    why: 'a gateway that never answers holds a request no longer than waitMs',
    gateway: { '*': { hang: true } },
    steps: [no(0, GOOD, 'keys_unavailable'), becomes(20, UP), ok(90)],
  },
  {
    id: 'errors-at-the-start',
    why: '503 for everything',
    gateway: { '*': { status: 503 } },
    steps: [ready(0, 'keys_unavailable'), no(1, GOOD, 'keys_unavailable'), becomes(10, UP), ok(60)],
  },
  {
    id: 'html-at-the-start',
    why: 'an error page with status 200',
    gateway: { '*': { headers: { 'content-type': 'text/html' }, body: '<html></html>' } },
    steps: [ready(0, 'keys_unavailable'), no(1, GOOD, 'keys_unavailable'), becomes(10, UP), ok(60)],
  },
  {
    id: 'metadata-of-another-issuer',
    why: 'metadata of another issuer is not believed, and its JWKS not asked',
    gateway: { [CONFIGURATION]: metadata({ issuer: 'https://evil.example.com' }) },
    steps: [ready(0, 'keys_unavailable'), asked(0, JWKS, { exactly: 0 }), no(1, GOOD, 'keys_unavailable')],
  },
  {
    id: 'metadata-issuer-slash',
    why: 'an issuer with one slash more is another issuer',
    gateway: { [CONFIGURATION]: metadata({ issuer: `${ISSUER}/` }) },
    steps: [ready(0, 'keys_unavailable'), asked(0, JWKS, { exactly: 0 })],
  },
  {
    id: 'jwks-elsewhere',
    why: 'a jwks_uri outside the issuer is not fetched',
    gateway: { [CONFIGURATION]: metadata({ jwks_uri: 'https://evil.example.com/jwks.json' }) },
    steps: [ready(0, 'keys_unavailable'), asked(0, '*', { exactly: 1 })],
  },
  {
    id: 'jwks-missing-in-metadata',
    why: 'metadata without jwks_uri',
    gateway: { [CONFIGURATION]: metadata({ jwks_uri: undefined }) },
    steps: [ready(0, 'keys_unavailable')],
  },
  {
    id: 'no-aggregation',
    why: 'metadata that names no status lists: the first token brings its own',
    gateway: { [CONFIGURATION]: metadata({ status_list_aggregation_endpoint: undefined }) },
    steps: [
      ready(0),
      asked(0, LIST, { exactly: 0 }),
      no(0, ENDED_TOKEN, 'session_ended'),
      asked(0, LIST, { exactly: 1 }),
    ],
  },
  {
    id: 'aggregation-broken',
    why: 'an aggregation that cannot be read does not make ready() fail',
    gateway: { '/status-lists': { status: 500 } },
    steps: [ready(0), ok(0), no(0, ENDED_TOKEN, 'session_ended')],
  },
  {
    id: 'aggregation-elsewhere',
    why: 'lists outside the issuer are not fetched, whoever names them',
    gateway: { '/status-lists': json({ status_lists: ['https://evil.example.com/1', 7, null, LIST_URI] }) },
    steps: [ready(0), asked(0, '*', { exactly: 4 }), no(0, ENDED_TOKEN, 'session_ended')],
  },
]
