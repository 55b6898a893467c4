/**
 * The Token Status Lists (draft-ietf-oauth-status-list) that recent tokens refer to, polled in the background and kept
 * as bitmaps, so that "has this session ended" costs one bit test.
 */

import { promisify } from 'node:util'
import { inflate } from 'node:zlib'
import { VerifierError } from './error.ts'
import { decoded, isRecord, readForm } from './form.ts'
import type { KeySet } from './keys.ts'
import { createRefresher, type Refresher } from './refresher.ts'
import { requireTimes, verifySignature } from './signed.ts'
import { type GatewaySource, NotPublished } from './source.ts'

export type StatusListsOptions = {
  issuer: string
  source: GatewaySource
  keys: KeySet
  algorithms: readonly string[]
  clockToleranceSeconds: number
  now(): Date
  /** The longest a request waits for a list that has never been seen, once for each list. */
  waitMs: number
  onFailure(url: string, error: unknown): void
}

/** `unknown`: there is no list, the one we hold is past its `exp`, or it is shorter than the index (draft section 8.3). */
type SessionStatus = 'live' | 'ended' | 'unknown'

export type StatusListState = {
  uri: string
  /** Since the gateway signed it. */
  ageSeconds: number | null
  /** Since the gateway last said that it is the newest: by a new one or by "not modified". */
  confirmedSeconds: number | null
  expired: boolean
  failing: boolean
}

export type StatusLists = {
  /** At once when the list is known; throws `claim_invalid` for a list of another issuer. The token that refers to it lives until `tokenExp` (seconds since the epoch). */
  lookUp(uri: string, index: number, tokenExp: number): SessionStatus | Promise<SessionStatus>
  /** Fetches every list an aggregation document names (draft section 9), so that no request meets one for the first time. */
  preload(aggregationUrl: string): Promise<void>
  state(): StatusListState[]
  stop(): void
}

type PublishedList = {
  ended: Uint8Array
  issuedAtSeconds: number
  /** By the clock, and by the time that has passed since: a clock that is set back makes no list fresh again. */
  expiresAtSeconds: number
  expiresAtElapsed: number
  ttlSeconds: number
}
type TrackedList = {
  neededUntilElapsed: number
  held?: PublishedList
  confirmedAtElapsed?: number
  etag?: string | undefined
  refresher: Refresher
}

const STATUS_LIST = { name: 'a status list', types: ['statuslist+jwt'] }
const DEFAULT_TTL_SECONDS = 30
const LONGEST_TTL_SECONDS = 3600
const DEFAULT_LIFE_SECONDS = 600
const KEEP_UNUSED_SECONDS = 3600
const MAX_PRELOADED_LISTS = 256
const MAX_BYTES = 8 * 1024 * 1024
/** 64 million one-bit sessions. The reply is small and inflates: this is what stops a bomb. */
const MAX_INFLATED_BYTES = 8 * 1024 * 1024

const inflateAsync = promisify(inflate)

export function createStatusLists(options: StatusListsOptions): StatusLists {
  const { issuer, source, keys, algorithms, clockToleranceSeconds, now, waitMs, onFailure } = options
  const lists = new Map<string, TrackedList>()
  const nowSeconds = (): number => now().getTime() / 1000
  const elapsed = (): number => performance.now() / 1000

  function lookUp(uri: string, index: number, tokenExp: number): SessionStatus | Promise<SessionStatus> {
    const list = lists.get(uri) ?? track(uri)
    // As long as such a token lives its list is polled and what is known of it is kept.
    const neededUntil = elapsed() + Math.max(tokenExp - nowSeconds(), KEEP_UNUSED_SECONDS)
    if (neededUntil > list.neededUntilElapsed) list.neededUntilElapsed = neededUntil
    return list.held ? statusIn(list.held, index) : statusAtFirstSight(list, index)
  }

  async function statusAtFirstSight(list: TrackedList, index: number): Promise<SessionStatus> {
    await list.refresher.settle(waitMs)
    return list.held ? statusIn(list.held, index) : 'unknown'
  }

  /** An ended session stays ended, however old the list. An index past its end is of a session younger than the list. */
  function statusIn(list: PublishedList, index: number): SessionStatus {
    // Least significant bit first (draft section 4.1); not `>> 3`, which would wrap an index beyond 2^31.
    const byte = list.ended[Math.floor(index / 8)]
    if (byte === undefined) return 'unknown'
    if ((byte >> (index % 8)) & 1) return 'ended'
    return isExpired(list) ? 'unknown' : 'live'
  }

  const isExpired = ({ expiresAtSeconds, expiresAtElapsed }: PublishedList): boolean =>
    nowSeconds() >= expiresAtSeconds + clockToleranceSeconds || elapsed() >= expiresAtElapsed + clockToleranceSeconds

  /** The URI comes out of a token: only one that lies under the issuer is ever asked (SSRF). */
  function track(uri: string): TrackedList {
    if (!source.publishes(uri)) throw new VerifierError('claim_invalid', 'the status list was issued by another issuer')
    const refresher = createRefresher({ load: () => load(uri, list), onFailure: (error) => onFailure(uri, error) })
    const list: TrackedList = { neededUntilElapsed: elapsed() + KEEP_UNUSED_SECONDS, refresher }
    lists.set(uri, list)
    return list
  }

  async function load(uri: string, list: TrackedList): Promise<number | undefined> {
    // A 304 does not renew the list we hold, which dies at its own `exp`: near that, the whole is asked for.
    const renews = list.held === undefined || elapsed() + list.held.ttlSeconds >= list.held.expiresAtElapsed
    let missing: NotPublished | undefined
    try {
      const answer = await source.get(uri, {
        accept: 'application/statuslist+jwt',
        maxBytes: MAX_BYTES,
        etag: renews ? undefined : list.etag,
      })
      if (answer.changed) {
        list.held = merge(list.held, await open(answer.body, uri))
        list.etag = answer.etag
      }
      list.confirmedAtElapsed = elapsed()
    } catch (error) {
      // The list of sessions that are long gone; until then, one that another replica has yet to publish.
      if (!(error instanceof NotPublished)) throw error
      missing = error
    }
    // Only here, where the gateway is in reach: during an outage nothing that is known is let go.
    if (elapsed() > list.neededUntilElapsed) {
      lists.delete(uri)
      return undefined
    }
    if (missing) throw missing
    return list.held?.ttlSeconds
  }

  /** Draft section 8.3: a list counts when the gateway signed it, as a list, for this very URI, and it has not expired. */
  async function open(jwt: string, uri: string): Promise<PublishedList> {
    const claims = readForm(jwt, MAX_BYTES)
    await verifySignature(jwt, STATUS_LIST, keys, algorithms)
    requireTimes(claims, now(), clockToleranceSeconds)
    const { iss, sub, iat, exp, ttl, status_list: published } = claims
    if (sub !== uri) throw new Error('the status list is of another URI')
    if (iss !== undefined && iss !== issuer) throw new Error('the status list was issued by another issuer')
    if (typeof iat !== 'number') throw new Error('the status list has no iat')
    if (!isRecord(published) || typeof published.lst !== 'string') throw new Error('the status list has no lst')
    const bits = published.bits
    if (bits !== 1 && bits !== 2 && bits !== 4 && bits !== 8) throw new Error('the status list has odd bits')
    const compressed = decoded(published.lst)
    if (!compressed) throw new Error('the lst of the status list is no base64url')
    const statuses = await inflateAsync(compressed, { maxOutputLength: MAX_INFLATED_BYTES })
    const expiresAtSeconds = typeof exp === 'number' ? exp : iat + DEFAULT_LIFE_SECONDS
    return {
      ended: endedBits(statuses, bits),
      issuedAtSeconds: iat,
      expiresAtSeconds,
      expiresAtElapsed: elapsed() + expiresAtSeconds - Math.max(nowSeconds(), iat),
      ttlSeconds: Math.min(typeof ttl === 'number' && ttl >= 1 ? ttl : DEFAULT_TTL_SECONDS, LONGEST_TTL_SECONDS),
    }
  }

  return {
    lookUp,
    async preload(aggregationUrl) {
      const answer = await source.get(aggregationUrl, { accept: 'application/json', maxBytes: MAX_BYTES })
      const document: unknown = answer.changed ? JSON.parse(answer.body) : undefined
      if (!isRecord(document) || !Array.isArray(document.status_lists)) throw new Error('no status lists are named')
      const uris = document.status_lists.filter((uri) => typeof uri === 'string' && source.publishes(uri))
      const tracked = uris.slice(0, MAX_PRELOADED_LISTS).map((uri: string) => lists.get(uri) ?? track(uri))
      await Promise.all(tracked.map((list) => list.refresher.refresh()))
    },
    state: () =>
      [...lists].map(([uri, { held, refresher, confirmedAtElapsed }]) => ({
        uri,
        ageSeconds: held ? Math.round(nowSeconds() - held.issuedAtSeconds) : null,
        confirmedSeconds: confirmedAtElapsed === undefined ? null : Math.round(elapsed() - confirmedAtElapsed),
        expired: held === undefined || isExpired(held),
        failing: refresher.failing(),
      })),
    stop() {
      for (const { refresher } of lists.values()) refresher.stop()
    },
  }
}

/** What either list says has ended has ended: an older copy, from a slow replica or a cache, brings no session back. */
function merge(held: PublishedList | undefined, next: PublishedList): PublishedList {
  if (held === undefined) return next
  const newest = next.issuedAtSeconds >= held.issuedAtSeconds ? next : held
  const ended = new Uint8Array(Math.max(held.ended.length, next.ended.length))
  for (let i = 0; i < ended.length; i += 1) ended[i] = (held.ended[i] ?? 0) | (next.ended[i] ?? 0)
  return { ...newest, ended }
}

/** One bit for each session, from 1, 2, 4 or 8: every status but 0 (VALID) means that the session does not live. */
function endedBits(statuses: Uint8Array, bits: 1 | 2 | 4 | 8): Uint8Array {
  if (bits === 1) return statuses
  const perByte = 8 / bits
  const mask = 2 ** bits - 1
  const ended = new Uint8Array(Math.ceil((statuses.length * perByte) / 8))
  for (let index = 0; index < statuses.length * perByte; index += 1) {
    const status = ((statuses[Math.floor(index / perByte)] ?? 0) >> ((index % perByte) * bits)) & mask
    const at = index >> 3
    if (status !== 0) ended[at] = (ended[at] ?? 0) | (1 << (index & 7))
  }
  return ended
}
