/** Outages: how long good tokens are accepted, and that the gateway is not hammered. */

import type { Script } from './format.ts'
import { accepted, CONFIGURATION, event, ISSUER, JWKS, jwks, LIST, metadata } from './gateway.ts'
import { asked, becomes, DOWN, ENDED_TOKEN, GOOD, NEXT, no, ok, ready, UP, verify, verifyEvent } from './steps.ts'

export const outages: Script[] = [
  {
    id: 'outage',
    why: 'with the gateway away good tokens are accepted for maxStaleSeconds and no longer; then it is an outage, and ends by itself',
    config: { maxStaleSeconds: 7200 },
    steps: [
      ready(0),
      becomes(1, DOWN),
      ok(7195),
      no(7195, ENDED_TOKEN, 'session_ended'),
      no(7201, GOOD, 'keys_unavailable'),
      becomes(7202, UP),
      ok(7240),
    ],
  },
  {
    id: 'outage-clock-back',
    why: 'maxStaleSeconds is elapsed time: a clock that steps back prolongs nothing',
    config: { maxStaleSeconds: 600 },
    steps: [ready(0), becomes(1, DOWN), { at: 2, clock: -3600 }, ok(590), no(605, GOOD, 'keys_unavailable')],
  },
  {
    id: 'outage-clock-forward',
    why: 'nor does one that jumps forward make good keys old',
    config: { maxStaleSeconds: 7200 },
    steps: [ready(0), becomes(1, DOWN), { at: 2, clock: 10_000 }, ok(3)],
  },
  {
    id: 'outage-hang',
    why: 'a gateway that accepts and never answers',
    steps: [
      ready(0),
      becomes(1, { '*': { hang: true } }),
      ok(400),
      no(400, ENDED_TOKEN, 'session_ended'),
      becomes(410, UP),
      ok(500),
    ],
  },
  {
    id: 'outage-not-hammered',
    why: 'during an outage the gateway is asked at most every second, later every 30',
    steps: [
      ready(0),
      becomes(1, DOWN),
      verify(700, GOOD, accepted(), { times: 100 }),
      asked(700, JWKS, { atMost: 25 }),
      asked(700, LIST, { atMost: 40 }),
    ],
  },
  {
    id: 'outage-503',
    why: '503 is as good as away',
    steps: [
      ready(0),
      becomes(1, { '*': { status: 503 } }),
      ok(700),
      no(700, ENDED_TOKEN, 'session_ended'),
      becomes(701, UP),
      ok(760),
    ],
  },
  {
    id: 'outage-event',
    why: 'events are verified with the keys that are there',
    steps: [
      ready(0),
      becomes(1, DOWN),
      verifyEvent(600, event(), accepted({ jti: 'event-1' })),
      no(600, event(), 'type_mismatch'),
    ],
  },
  {
    id: 'metadata-moves',
    why: 'after a failure the metadata is asked again: the JWKS may have moved',
    steps: [
      ready(0),
      becomes(1, {
        [JWKS]: null,
        [CONFIGURATION]: metadata({ jwks_uri: `${ISSUER}/keys` }),
        '/keys': jwks('es', 'es-next'),
      }),
      ok(310),
      ok(345, NEXT),
    ],
  },
]
