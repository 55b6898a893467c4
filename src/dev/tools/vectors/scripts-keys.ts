/** Keys in time: rotation, unknown kids, how long a JWKS is good, and one that cannot be used. */

import type { Reply, Script } from './format.ts'
import { accepted, ENDED, event, ISSUER, JWKS, json, refused, token } from './gateway.ts'
import { publicJwk } from './sign.ts'
import {
  asked,
  becomes,
  DOWN,
  ENDED_TOKEN,
  GOOD,
  keysOf,
  LONG,
  NEXT,
  no,
  ok,
  published,
  ready,
  UNKNOWN,
  verify,
  verifyEvent,
} from './steps.ts'

export const keyScripts: Script[] = [
  {
    id: 'rotation',
    why: 'a key that was published ahead signs without anyone having to wait',
    steps: [
      ready(0),
      becomes(10, keysOf('es', 'es-next')),
      ok(310),
      asked(310, JWKS, { exactly: 2 }),
      ok(311, NEXT),
      ok(311, GOOD),
      asked(311, JWKS, { exactly: 2 }),
    ],
  },
  {
    id: 'rotation-at-once',
    why: 'a key that signs the moment it exists is fetched once for all requests that wait for it',
    steps: [
      ready(0),
      becomes(40, keysOf('es', 'es-next')),
      verify(41, NEXT, accepted(), { parallel: 20 }),
      asked(41, JWKS, { exactly: 2 }),
    ],
  },
  {
    id: 'rotation-three',
    why: 'three keys in a row',
    steps: [
      ready(0),
      becomes(1, keysOf('es', 'es-next', 'rs')),
      ok(310, NEXT),
      becomes(400, keysOf('es-next', 'rs')),
      ok(401, GOOD),
      no(720, GOOD, 'key_unknown'),
      ok(720, NEXT),
      ok(720, token(LONG, {}, 'rs')),
    ],
  },
  {
    id: 'key-withdrawn',
    why: 'a key that left the JWKS is trusted no longer than the max-age',
    steps: [
      ready(0),
      becomes(1, keysOf('es-next')),
      ok(299, GOOD),
      no(305, GOOD, 'key_unknown'),
      becomes(306, published([ENDED], 306, { key: 'es-next' })),
      ok(345, NEXT),
    ],
  },
  {
    id: 'unknown-kid-flood',
    why: 'a flood of unknown kids makes one fetch in 30 seconds',
    steps: [
      ready(0),
      verify(1, UNKNOWN, refused('key_unknown'), { times: 100 }),
      asked(1, JWKS, { exactly: 2 }),
      verify(25, UNKNOWN, refused('key_unknown'), { times: 100 }),
      asked(25, JWKS, { exactly: 2 }),
      verify(32, UNKNOWN, refused('key_unknown'), { times: 100 }),
      asked(32, JWKS, { exactly: 3 }),
      ok(32),
    ],
  },
  {
    id: 'unknown-kid-parallel',
    why: 'the same at once',
    steps: [
      ready(0),
      verify(1, UNKNOWN, refused('key_unknown'), { parallel: 50 }),
      asked(1, JWKS, { exactly: 2 }),
      ok(1),
    ],
  },
  {
    id: 'unknown-kid-then-published',
    why: 'after such a flood a new key is found when the 30 seconds are over',
    steps: [
      ready(0),
      no(1, UNKNOWN, 'key_unknown'),
      becomes(2, keysOf('es', 'stranger-es')),
      no(20, UNKNOWN, 'key_unknown'),
      ok(32, UNKNOWN),
    ],
  },
  {
    id: 'unknown-kid-clock-back',
    why: 'elapsed time is monotonic: the process’s clock steps back an hour, and an unknown kid is still fetched',
    steps: [
      ready(0),
      no(1, UNKNOWN, 'key_unknown'),
      { at: 2, clock: -3600 },
      becomes(3, keysOf('es', 'stranger-es')),
      ok(32, token({ ...LONG }, {}, 'stranger-es')),
    ],
  },
  {
    id: 'unknown-kid-clock-forward',
    why: 'a clock that jumps forward opens no door to a flood',
    steps: [
      ready(0),
      no(1, UNKNOWN, 'key_unknown'),
      asked(1, JWKS, { exactly: 2 }),
      { at: 2, clock: 200 },
      verify(3, UNKNOWN, refused('key_unknown'), { times: 10 }),
      asked(3, JWKS, { exactly: 2 }),
    ],
  },
  {
    id: 'unknown-kid-outage',
    why: 'an unknown kid while the gateway is away is an outage, not a bad token',
    steps: [
      ready(0),
      becomes(1, DOWN),
      verify(2, UNKNOWN, refused('keys_unavailable'), { times: 20 }),
      asked(2, JWKS, { atMost: 3 }),
      ok(2),
    ],
  },
  {
    id: 'unknown-kid-event',
    why: 'events and tokens share the limit',
    steps: [
      ready(0),
      no(1, UNKNOWN, 'key_unknown'),
      verifyEvent(2, event({}, {}, 'stranger-es'), refused('key_unknown')),
      asked(2, JWKS, { exactly: 2 }),
      verifyEvent(3, event(), accepted({ jti: 'event-1' })),
    ],
  },
  {
    id: 'max-age-60',
    why: 'the keys are fetched again when the reply says so',
    gateway: {
      [JWKS]: json({ keys: [publicJwk('es')] }, { 'cache-control': 'public, max-age=60, stale-if-error=86400' }),
    },
    steps: [
      ready(0),
      asked(50, JWKS, { exactly: 1 }),
      asked(65, JWKS, { exactly: 2 }),
      asked(125, JWKS, { exactly: 3 }),
    ],
  },
  {
    id: 'max-age-none',
    why: 'a reply without Cache-Control is good for 300 seconds',
    gateway: { [JWKS]: json({ keys: [publicJwk('es')] }) },
    steps: [ready(0), asked(290, JWKS, { exactly: 1 }), asked(305, JWKS, { exactly: 2 })],
  },
  {
    id: 'max-age-no-cache',
    why: 'no-cache too: a verifier is no browser',
    gateway: { [JWKS]: json({ keys: [publicJwk('es')] }, { 'cache-control': 'no-cache' }) },
    steps: [ready(0), asked(290, JWKS, { exactly: 1 }), asked(305, JWKS, { exactly: 2 })],
  },
  {
    id: 'max-age-zero',
    why: 'max-age=0 does not mean at every request',
    gateway: { [JWKS]: json({ keys: [publicJwk('es')] }, { 'cache-control': 'max-age=0' }) },
    steps: [
      ready(0),
      verify(1, GOOD, accepted(), { times: 20 }),
      asked(290, JWKS, { exactly: 1 }),
      asked(305, JWKS, { exactly: 2 }),
    ],
  },
  {
    id: 'max-age-year',
    why: 'keys are not kept for a year: an hour at most',
    gateway: { [JWKS]: json({ keys: [publicJwk('es')] }, { 'cache-control': 'max-age=31536000' }) },
    steps: [ready(0), asked(3500, JWKS, { exactly: 1 }), asked(3700, JWKS, { exactly: 2 })],
  },
  {
    id: 'not-modified',
    why: 'a 304 renews the keys',
    gateway: { [JWKS]: json({ keys: [publicJwk('es')] }, { 'cache-control': 'max-age=300', etag: '"k1"' }) },
    config: { maxStaleSeconds: 400 },
    steps: [ready(0), asked(305, JWKS, { exactly: 2 }), ok(500), ok(650)],
  },
  ...(
    [
      ['empty', json({ keys: [] })],
      ['html', { headers: { 'content-type': 'text/html' }, body: '<html></html>' }],
      ['no-json', { body: '{' }],
      ['list', json([publicJwk('es')])],
      ['too-long', { body: JSON.stringify({ keys: [publicJwk('es-next')] }), pad: 300_000 }],
      ['without-alg', json({ keys: [{ ...publicJwk('es-next'), alg: undefined }] })],
      ['only-encryption', json({ keys: [{ ...publicJwk('es-next'), use: 'enc' }] })],
      ['redirect', { status: 302, headers: { location: `${ISSUER}/elsewhere` } }],
      ['gone', { status: 404 }],
    ] satisfies [string, Reply][]
  ).map(
    ([name, reply]): Script => ({
      id: `jwks-${name}`,
      why: 'a JWKS that cannot be used changes nothing',
      steps: [
        ready(0),
        becomes(1, { [JWKS]: reply }),
        ok(310),
        no(310, ENDED_TOKEN, 'session_ended'),
        becomes(311, { ...keysOf('es', 'es-next'), '/elsewhere': json({ keys: [publicJwk('stranger-es')] }) }),
        ok(345, NEXT),
      ],
    }),
  ),
]
