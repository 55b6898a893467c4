/** The part of the register of personal data that is not in the database: Redis, the picture store, the log. */
import { type Entry, NOBODY } from './data-register.ts'

export const keptElsewhere: readonly (Entry & { store: string; what: string })[] = [
  {
    ...{ store: 'redis', what: 'session-key:*', kind: 'secret', basis: 'contract', recipients: NOBODY },
    purpose: "the platform's session_key, sealed: opens and signs a user's data",
    retention: 'SESSION_KEY_TTL_SECONDS; dropped with the erasure',
  },
  {
    ...{ store: 'redis', what: 'login replays', kind: 'secret', basis: 'contract', recipients: NOBODY },
    purpose: 'gives the same sealed reply to the same login code, where a reply was lost',
    retention: '60 seconds',
  },
  {
    ...{ store: 'redis', what: 'limits', kind: 'network', basis: 'legal_duty', recipients: NOBODY },
    purpose: 'counts requests by address, user and person',
    retention: 'the window of the limit',
  },
  {
    ...{ store: 'redis', what: 'session-events', kind: 'activity', basis: 'contract' },
    purpose: 'tells services of sessions that ended',
    retention: '24 hours',
    recipients: 'services that read the stream',
  },
  {
    ...{ store: 'redis', what: 'platform-events', kind: 'message', basis: 'legal_duty' },
    purpose: 'passes on what the platform pushed and nobody handles here',
    retention: '24 hours, about 100,000 events',
    recipients: 'services that read the stream',
  },
  {
    ...{ store: 'AVATAR_STORE', what: 'avatars/*', kind: 'profile', basis: 'consent' },
    purpose: "the user's picture, re-encoded, without what a camera wrote into it",
    retention: 'until it is replaced, taken back or the user is erased; ten minutes more in caches',
    recipients: 'whoever has the URL',
  },
  {
    ...{ store: 'log', what: 'request lines', kind: 'network', basis: 'legal_duty', recipients: 'operators' },
    purpose: 'user id, session and address of requests',
    retention: 'as the log store is set: at least six months where the Cybersecurity Law asks for it',
  },
]
