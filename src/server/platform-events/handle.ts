/** What is done about an event: a user's data is cleared, the user erased, or the event passed on. Done twice, it does no harm. */
import type { Actor } from '../actor.ts'
import type { Audit, AuditKind } from '../audit/audit.ts'
import type { Avatars } from '../avatars/avatars.ts'
import type { Clock } from '../clock.ts'
import type { AppConfig } from '../config/config.ts'
import type { Cache } from '../storage/cache.ts'
import type { Users } from '../users/users.ts'
import { type ClearedField, openidOf, readWithdrawal, type UserEvent, userEvents } from './event.ts'
import { type Members, readMembers } from './members.ts'
import type { Claimed, Inbox } from './store.ts'

export const PLATFORM_EVENTS_STREAM = 'platform-events'
const KEEP_MS = 24 * 3_600_000
const MAX_ENTRIES = 100_000

export const eventOutcomes = [
  'cleared',
  'erased',
  'suspended',
  'reported',
  'unknown_user',
  'no_openid',
  'not_kept_here',
  'passed_on',
] as const
export type EventOutcome = (typeof eventOutcomes)[number]

export type HandleParts = {
  inbox: Pick<Inbox, 'clear' | 'ownerOf'>
  users: Pick<Users, 'erase' | 'suspend'>
  avatars: Pick<Avatars, 'remove'>
  cache: Pick<Cache, 'append'>
  audit: Pick<Audit, 'record'>
  clock: Clock
  apps: readonly AppConfig[]
}

const kinds = {
  user_info_modified: 'profile_cleaned',
  user_authorization_revoke: 'authorization_revoked',
  user_authorization_cancellation: 'authorization_cancelled',
} as const satisfies Record<UserEvent, AuditKind>

/** `passOn`: the user's part is done, and the event goes to the stream as well. */
export type Done = { outcome: EventOutcome; passOn: boolean }
export type Handle = (event: Claimed) => Promise<Done>

export function createHandle({ inbox, users, avatars, cache, audit, clock, apps }: HandleParts): Handle {
  /** The platform is the one who acts, whoever brought its word. */
  const actorOf = ({ platform }: Claimed): Actor => ({
    name: `platform:${platform}`,
    ip: undefined,
    requestId: undefined,
  })

  /** As it came, since an account has one URL and others need the event too. A repeat has the same `id`. */
  async function passOn(event: Claimed): Promise<EventOutcome> {
    const { digest, platform, appid, name, format, message, received_at: receivedAt } = event
    const entry = {
      ...{ id: digest, platform, appid, event: name ?? '', format, message },
      received_at: receivedAt.toISOString(),
    }
    await cache.append(PLATFORM_EVENTS_STREAM, entry, KEEP_MS, MAX_ENTRIES)
    return 'passed_on'
  }

  /** Nobody to do it for; who it was is not kept. */
  function unmatched(event: Claimed, kind: AuditKind, outcome: EventOutcome): EventOutcome {
    const detail = { event_id: event.id, source: event.source, outcome }
    audit.record({ kind, at: clock.now(), actor: actorOf(event), appid: event.appid, detail })
    return outcome
  }

  type Subject = { openid: string; kind: AuditKind; detail: Record<string, unknown> }

  async function clear(event: Claimed, subject: Subject, fields: readonly ClearedField[], keptEmpty: boolean) {
    const { platform, appid, received_at: before } = event
    const { openid, kind, detail } = subject
    const what = { platform, appid, openid, fields, keptEmpty, before, audit: { kind, actor: actorOf(event), detail } }
    const done = await inbox.clear(what, clock.now())
    if (!done) return unmatched(event, kind, 'unknown_user')
    await avatars.remove(done.avatar)
    return 'cleared'
  }

  async function cancel(event: Claimed, { openid, kind, detail }: Subject): Promise<EventOutcome> {
    const { platform, appid, received_at: before } = event
    const action = apps.find((app) => app.platform === platform && app.appid === appid)?.push?.onCancellation ?? 'erase'
    const userId = await inbox.ownerOf({ platform, appid, openid, before })
    if (userId === undefined) return unmatched(event, kind, 'unknown_user')
    const actor = actorOf(event)
    if (action === 'erase' && !(await users.erase(userId, actor))) return unmatched(event, kind, 'unknown_user')
    if (action === 'suspend' && !(await users.suspend(userId, actor))) return unmatched(event, kind, 'unknown_user')
    const outcome = cancellations[action]
    audit.record({ kind, at: clock.now(), actor, appid, user_id: userId, detail: { ...detail, outcome } })
    return outcome
  }

  /** It may say which of the two was cleaned; most often it does not. */
  function cleanedFields(members: Members): ClearedField[] {
    const named = readWithdrawal(members).codes.flatMap((code): ClearedField[] =>
      code === '19' ? ['nickname'] : code === '20' ? ['avatar'] : [],
    )
    return named.length > 0 ? named : ['nickname', 'avatar']
  }

  return async (event) => {
    const name = userEvents.find((one) => one === event.name)
    const members = readMembers(event.message)?.members
    if (event.kind === 'other' || !name || !members) return { outcome: await passOn(event), passOn: false }
    const kind = kinds[name]
    const openid = openidOf(members)
    const subject = { openid: openid ?? '', kind, detail: { event_id: event.id, source: event.source } }
    const ofUser = async (act: () => Promise<EventOutcome>) =>
      openid === undefined ? unmatched(event, kind, 'no_openid') : await act()

    if (name === 'user_authorization_cancellation') {
      const outcome = await ofUser(() => cancel(event, subject))
      return { outcome, passOn: outcome === 'reported' }
    }
    if (name === 'user_info_modified')
      return { outcome: await ofUser(() => clear(event, subject, cleanedFields(members), false)), passOn: false }
    const { codes, fields, others } = readWithdrawal(members)
    // What it names beside that is kept by others.
    if (fields.length === 0) return { outcome: 'not_kept_here', passOn: true }
    const named = { ...subject, detail: { ...subject.detail, codes } }
    return { outcome: await ofUser(() => clear(event, named, fields, true)), passOn: others }
  }
}

const cancellations = { erase: 'erased', suspend: 'suspended', report: 'reported' } as const
