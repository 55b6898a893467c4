/** Two replicas of the real sessions, keys and revocation on one database, with every clock in hand and no timer that a step waits for. */
import { randomBytes } from 'node:crypto'
import { createClients } from '../../../server/clients/clients.ts'
import { loadConfig } from '../../../server/config/config.ts'
import { uuidv7 } from '../../../server/crypto/random.ts'
import { createSealer } from '../../../server/crypto/seal.ts'
import { createSessionEnded } from '../../../server/events/session-ended.ts'
import { createKeyRing } from '../../../server/keys/ring.ts'
import { scheduleOf } from '../../../server/keys/schedule.ts'
import { createKeyStore } from '../../../server/keys/store.ts'
import { createSignIn } from '../../../server/login/sign-in.ts'
import { createLoginStore } from '../../../server/login/store.ts'
import { createHandedOut } from '../../../server/revocation/handed-out.ts'
import { createStatusLists } from '../../../server/revocation/publisher.ts'
import { statusReference } from '../../../server/revocation/status-list.ts'
import { createStatusStore } from '../../../server/revocation/store.ts'
import { userSessions } from '../../../server/sessions/end-store.ts'
import { createSessions } from '../../../server/sessions/sessions.ts'
import { createClockSkew } from '../../../server/storage/clock-skew.ts'
import type { Database } from '../../../server/storage/database.ts'
import { createAccessTokens } from '../../../server/tokens/access-token.ts'
import { createRefreshTokens } from '../../../server/tokens/refresh-token.ts'
import { createUserStore } from '../../../server/users/store.ts'
import { createUsers } from '../../../server/users/users.ts'
import { databaseClockOf } from '../../pglite.ts'
import { openTestStores, type TestStores } from '../real-stores.ts'
import { APP_SECRET, APPID } from '../test-gateway.ts'

/** Short enough that a trace meets the end of everything. */
export const config = loadConfig({
  ISSUER: 'https://auth.example.com',
  DATABASE_URL: 'postgres://unused',
  REDIS_URL: 'redis://unused',
  ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
  WECHAT_APPID: APPID,
  WECHAT_SECRET: APP_SECRET,
  ACCESS_TOKEN_TTL_SECONDS: '120',
  REFRESH_TOKEN_TTL_SECONDS: '600',
  SESSION_TTL_SECONDS: '700',
  REFRESH_REUSE_INTERVAL_SECONDS: '30',
  STATUS_LIST_TTL_SECONDS: '30',
  SIGNING_KEY_ROTATION_SECONDS: '400',
  SIGNING_KEY_PUBLISH_AHEAD_SECONDS: '120',
  JWKS_MAX_AGE_SECONDS: '60',
})

export const operator = { name: 'operator:trace', ip: '203.0.113.7', requestId: 'trace' }
export const user = { ...operator, name: 'user' }

/** Milliseconds; all of it moved by the trace alone. */
export type Hands = {
  /** Never goes back. */
  elapsedMs: number
  /** How far the database's clock was set back, below 0. */
  databaseMs: number
  /** How far each replica's clock is from the database's. */
  replicaMs: [number, number]
}

const EPOCH_MS = Date.parse('2026-01-01T00:00:00Z')
export const newHands = (): Hands => ({ elapsedMs: 0, databaseMs: 0, replicaMs: [0, 0] })
export const databaseNow = ({ elapsedMs, databaseMs }: Hands) => EPOCH_MS + elapsedMs + databaseMs

export type Replica = Awaited<ReturnType<typeof startReplica>>

type ReplicaParts = {
  stores: Pick<TestStores, 'database' | 'cache'>
  hands: Hands
  at: 0 | 1
  /** Waited for before each statement: a trace decides which goes first. */
  gate: () => Promise<void>
}

/** As `createGateway` puts them together, without HTTP and without timed jobs. */
export async function startReplica({ stores, hands, at, gate }: ReplicaParts) {
  const databaseClock = databaseClockOf({ now: () => new Date(databaseNow(hands)) })
  const clock = { now: () => new Date(databaseNow(hands) + hands.replicaMs[at]) }
  const database: Database = {
    ...stores.database,
    clock: databaseClock,
    async run(statement, values) {
      await gate()
      return await stores.database.run(statement, values)
    },
  }
  const now = () => databaseClock.now()
  const problems: unknown[] = []
  const onError = (error: unknown) => void problems.push(error)
  const audit = { record: () => undefined, flush: async () => undefined }
  const sealer = createSealer(config.encryptionKeys)
  const clients = createClients(config)
  const skew = createClockSkew({ clock, databaseClock, limitSeconds: config.clockSkewLimitSeconds })
  const ring = createKeyRing({
    store: createKeyStore(database),
    sealer,
    clock: databaseClock,
    schedule: scheduleOf(config),
    skew,
  })
  const accessTokens = createAccessTokens({
    ring,
    clock,
    databaseClock,
    issuer: config.issuer,
    type: config.accessTokenType,
    audiences: clients.audiences,
    statusOf: statusReference(config.issuer),
  })
  const lists = createStatusLists({
    store: createStatusStore(database),
    ring,
    clock,
    elapsedMs: () => hands.elapsedMs,
    issuer: config.issuer,
    ttlSeconds: config.statusListTtlSeconds,
    handedOut: createHandedOut({ cache: stores.cache }),
    onPutBack: () => undefined,
    // A list that was being signed while the clock went wrong: it is told, and signed anew once the clock is right.
    onError: (error) => (ring.maySign() ? onError(error) : undefined),
  })
  const onEnded = createSessionEnded({
    listeners: [(ended) => lists.markEnded(ended.map(({ statusIndex }) => statusIndex))],
    onError,
  })
  const refreshTokens = createRefreshTokens({ sealer })
  const sessions = createSessions({
    ...{ config, database, sealer },
    accessTokens,
    clients,
    audit,
    now,
    onRefresh: () => undefined,
    onEnded,
  })
  const users = createUsers({
    store: createUserStore({ database, userSessions }),
    clock: databaseClock,
    onEnded,
    afterErase: async () => undefined,
  })
  const { signIn } = createSignIn({
    store: createLoginStore({
      database,
      now,
      sessionLimit: config.sessionLimit,
      allocated: lists.allocated,
    }),
    users,
    sessions,
    audit,
    clock: databaseClock,
    perOpenid: undefined,
    onEnded,
    onLogin: () => undefined,
  })
  const client = clients.find(APPID)
  if (!client) throw new Error('no client')
  await ring.tick()
  await lists.poll()
  return {
    ring,
    lists,
    sessions,
    users,
    refreshTokens,
    problems,
    login: (openid: string, sid: string) =>
      signIn({ client, device: undefined, actor: user }, async () => ({
        identity: { openid, profile: {} },
        sid,
        newUserId: uuidv7(now()),
      })),
    newSid: () => uuidv7(now()),
  }
}

/** One database for all traces of a run. */
export async function openStage() {
  const stores = await openTestStores()
  let traces = 0
  const views = [stores, stores.replica()] as const
  const statement = async (text: string) => void (await stores.database.run({ name: text.slice(0, 60), text }, []))
  return {
    kind: stores.kind,
    views,
    // Users and what is audited stay: each trace has people of its own.
    clean: () => statement('with keys as (delete from signing_keys) delete from sessions'),
    removeSessions: () => statement('delete from sessions'),
    nextTrace: () => (traces += 1),
    /** As after a restore: the sequence stands where it stood earlier. Indexes were handed out up to the place it gives now. */
    async putBack(): Promise<void> {
      await statement(
        "select setval('session_status_index', greatest(1, (select last_value from session_status_index) - 20))",
      )
    },
    close: () => stores.close(),
  }
}
