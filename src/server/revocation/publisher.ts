/**
 * The status lists this replica serves: a bitmap of each in memory, brought up to date from PostgreSQL every two seconds,
 * compressed when a bit changed, signed anew before it expires. Without PostgreSQL it goes on serving and signing what it knows.
 */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Clock } from '../clock.ts'
import type { KeyRing } from '../keys/ring.ts'
import { PLACES_PER_SWITCH } from '../storage/server-identity.ts'
import type { HandedOut } from './handed-out.ts'
import { compress, emptyBits, listOf, placeOf, setBit, statusListPayload } from './status-list.ts'
import type { StatusStore } from './store.ts'

export type PublishedList = { jwt: string; gzipped: Buffer; etag: string }

export type StatusLists = {
  /** Brings the lists up to date. Throws when the store is away; what is known is signed and served all the same. */
  poll(): Promise<void>
  pollEveryMs: number
  /** Sets the bits of sessions that ended here, without waiting for the next poll. */
  markEnded(statusIndexes: readonly number[]): void
  find(list: number): PublishedList | undefined
  /** The numbers of the lists that may have sessions. Those after them are there too, and are told once every replica has them. */
  numbers(): number[]
  /** Whether everything that had ended when this process started is on the lists. */
  ready(): boolean
  /** Since the lists were last equal to the database. */
  ageSeconds(): number
  /** What a new session's index is made with: the place below which all may be taken, and the key of the shuffle. */
  allocated(): Allocated
  /** No more building in the background. */
  stop(): void
}

/** Which server the last poll asked is null before the first. */
export type Allocated = { next: number; seed: string | null; server: string | null }

export type StatusListsParts = {
  store: StatusStore
  ring: Pick<KeyRing, 'sign' | 'list' | 'maySign'>
  clock: Clock
  /** Remembers how far indexes were handed out where a restore of the database does not reach. */
  handedOut: HandedOut
  /** The database was put back to an earlier state: it would hand out these places again. */
  onPutBack: (places: { next: number; handedOut: number }) => void
  issuer: string
  ttlSeconds: number
  onError: (error: unknown) => void
  /** Milliseconds on a clock that never steps. */
  elapsedMs?: () => number
}

type List = {
  bits: Buffer
  /** Whether a bit was set since `lst` was made. */
  changed: boolean
  lst: string
  compressedAtMs: number
  published?: PublishedList
  /** What `published` was signed in and with. */
  signed?: Signing
}
type Signing = { period: number; kid: string | undefined }

const POLL_EVERY_MS = 2000
/** Which lists are old changes in weeks. */
const OLDEST_EVERY_MS = 60_000
/** Indexes and ids are handed out nearly, not quite, in one order: at the turn of a list an older session may be in the one before. */
const LISTS_BEFORE = 1
/** The replica that notices another database server first hands out places a list further on; the others learn it with their next poll. */
const LISTS_AFTER = 4
/** Ends that come together are published together, and a busy list is compressed at most once a second (60 ms of a thread). */
const BUILD_AFTER_MS = 250
const BUILD_AT_MOST_EVERY_MS = 1000
const MIN_PERIOD_SECONDS = 300

const gzipAsync = promisify(gzip)

export function createStatusLists(parts: StatusListsParts): StatusLists {
  const { store, ring, clock, issuer, ttlSeconds, handedOut, onPutBack, onError } = parts
  const { elapsedMs = () => performance.now() } = parts
  const lists = new Map<number, List>()
  const periodSeconds = Math.max(MIN_PERIOD_SECONDS, 2 * ttlSeconds)
  let oldest = 0
  let newest = 0
  let oldestReadMs = Number.NEGATIVE_INFINITY
  let polledAtMs: number | undefined
  let loaded = false
  let publishing: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  let horizon: string | undefined
  /** The place that the database gave last as the next. */
  let seen = 0
  /** Where the database stood when it was told that it was put back. */
  let toldAt: number | undefined
  let allocated: Allocated = { next: 0, seed: null, server: null }
  const nowMs = () => clock.now().getTime()

  function listAt(number: number): List {
    const known = lists.get(number)
    if (known) return known
    const list: List = { bits: emptyBits(), changed: true, lst: '', compressedAtMs: Number.NEGATIVE_INFINITY }
    lists.set(number, list)
    return list
  }

  /** Bits are only ever set: an index is never given to a second session. */
  function mark(statusIndex: number): void {
    const number = listOf(statusIndex)
    if (number < oldest) return
    const list = listAt(number)
    if (setBit(list.bits, placeOf(statusIndex))) list.changed = true
  }

  /**
   * From the list of the oldest session to some beyond the newest: a token that another replica hands out this instant finds
   * its list. What is older is dropped, since no token can refer to it.
   */
  async function updateRange(next: number): Promise<void> {
    if (Math.abs(nowMs() - oldestReadMs) >= OLDEST_EVERY_MS) {
      const lowest = (await store.lowestIndex()) ?? next
      oldest = Math.max(oldest, listOf(lowest) - LISTS_BEFORE)
      oldestReadMs = nowMs()
    }
    for (const number of lists.keys()) if (number < oldest) lists.delete(number)
    newest = listOf(next)
    for (let number = oldest; number <= newest + LISTS_AFTER; number += 1) listAt(number)
  }

  /**
   * All replicas sign in the same periods of time, so that one state of a list has one `exp` and one ETag wherever it is fetched.
   */
  const signingNow = (): Signing => ({
    period: Math.floor(nowMs() / 1000 / periodSeconds),
    kid: ring.list().find((key) => key.state === 'active')?.kid,
  })

  const rested = (list: List) => elapsedMs() - list.compressedAtMs >= BUILD_AT_MOST_EVERY_MS

  const isDue = (list: List, now: Signing) =>
    (list.changed && rested(list)) || list.signed?.period !== now.period || list.signed.kid !== now.kid

  async function publish(number: number, list: List, signing: Signing): Promise<void> {
    if (list.changed && rested(list)) {
      list.changed = false
      list.compressedAtMs = elapsedMs()
      try {
        list.lst = await compress(list.bits)
      } catch (error) {
        list.changed = true
        throw error
      }
    }
    const payload = statusListPayload({
      issuer,
      list: number,
      lst: list.lst,
      issuedAtSeconds: Math.floor(nowMs() / 1000),
      // Whenever it is fetched it is good for about one more period.
      expiresAtSeconds: (signing.period + 2) * periodSeconds,
      ttlSeconds,
    })
    const jwt = await ring.sign('statuslist+jwt', payload)
    list.published = { jwt, gzipped: await gzipAsync(jwt), etag: etagOf(list.lst, signing) }
    list.signed = signing
  }

  /** One list after the other, so that logins find room in the thread pool. */
  async function publishDue(): Promise<void> {
    // What was signed before is served on: its times are right.
    if (!ring.maySign()) return
    const signing = signingNow()
    for (const [number, list] of lists) if (isDue(list, signing)) await publish(number, list, signing)
    if ([...lists.values()].some((list) => list.changed)) publishSoon()
    // Not after the first of them: a replica that starts would answer 404 to the others.
    if (polledAtMs !== undefined) loaded ||= [...lists.values()].every((list) => list.published)
  }

  function publishAll(): Promise<void> {
    publishing ??= publishDue().finally(() => {
      publishing = undefined
    })
    return publishing
  }

  function publishSoon(): void {
    if (stopped) return
    timer ??= setTimeout(() => {
      timer = undefined
      publishAll().catch(onError)
    }, BUILD_AFTER_MS).unref()
  }

  async function readDatabase(): Promise<void> {
    const startedAtMs = elapsedMs()
    const kept = await handedOut.kept()
    const position = await store.position()
    const { next, server, seed } = position
    const past = Math.max(kept.place, seen)
    // What an earlier state of the database calls the future, replicas have seen already.
    const putBack = next < seen || (horizon !== undefined && BigInt(position.horizon) < BigInt(horizon))
    // Until the first login after it the database says the same: that is told once.
    if ((putBack || next < past) && next !== toldAt) {
      toldAt = next
      onPutBack({ next, handedOut: past })
    }
    // Another server may lack the last commits of the one before, and number what came after them anew.
    const isAnother = (known: string | null | undefined) => typeof known === 'string' && known !== server
    const moved = isAnother(kept.server) || isAnother(allocated.server)
    // Where this server is beyond all that already, nothing is left out again.
    const clearOf = (place: number, on: string | null | undefined) => place + (isAnother(on) ? PLACES_PER_SWITCH : 0)
    const floor = Math.max(clearOf(kept.place, kept.server), clearOf(seen, allocated.server))
    allocated = { next: Math.max(next, allocated.next, floor), seed, server }
    await handedOut.keep(Math.max(next, past), server)
    seen = next
    await updateRange(allocated.next)
    for await (const page of store.ended(putBack || moved ? undefined : horizon)) for (const index of page) mark(index)
    horizon = position.horizon
    polledAtMs = startedAtMs
  }

  return {
    pollEveryMs: POLL_EVERY_MS,
    async poll() {
      try {
        await readDatabase()
      } finally {
        await publishAll()
      }
    },
    markEnded(statusIndexes) {
      for (const statusIndex of statusIndexes) mark(statusIndex)
      publishSoon()
    },
    find: (list) => lists.get(list)?.published,
    numbers: () =>
      [...lists.keys()].filter((number) => number <= newest && lists.get(number)?.published).sort((a, b) => a - b),
    ready: () => loaded,
    ageSeconds: () => (polledAtMs === undefined ? Number.POSITIVE_INFINITY : (elapsedMs() - polledAtMs) / 1000),
    allocated: () => allocated,
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

/** Weak: gzip or not, and signed by whichever replica, it is the same list. */
const etagOf = (lst: string, { period, kid = '' }: Signing): string =>
  `W/"${createHash('sha256').update(`${lst} ${period} ${kid}`).digest('base64url').slice(0, 22)}"`
