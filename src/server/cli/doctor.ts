/** Checks everything a gateway needs, from where it stands, and says what to do about what is wrong. */

import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, systemClock } from '../clock.ts'
import { type AppConfig, type Config, loadConfig, misspeltVariables } from '../config/config.ts'
import { createSealer, sealedWith } from '../crypto/seal.ts'
import { opens } from '../keys/ring.ts'
import { activeKey, keyState, scheduleOf } from '../keys/schedule.ts'
import { createKeyStore } from '../keys/store.ts'
import { createUndiciSender, type Send } from '../platforms/fetch-json.ts'
import { createOtherPlatforms } from '../platforms/other-platforms.ts'
import { PlatformError } from '../platforms/platform.ts'
import { appsOn } from '../platforms/registry.ts'
import { createWechat } from '../platforms/wechat.ts'
import { createRedisCache } from '../storage/cache.redis.ts'
import type { Cache } from '../storage/cache.ts'
import { createPostgres, type Database } from '../storage/database.ts'
import { pendingMigrations } from '../storage/migrate.ts'
import type { Command } from './command.ts'

type Check = { name: string; state: 'ok' | 'warning' | 'problem'; detail: string; advice?: string }

/** Verifiers allow a few seconds; beyond this, fresh tokens look as if they came from the future. */
const MAX_SKEW_SECONDS = 5
const CACHE_WAIT_MS = 2000
/** A key that should have handed over this long ago did not. */
const OVERDUE_SECONDS = 3600

export const doctor: Command = {
  name: 'doctor',
  usage: '',
  summary:
    'Check the configuration, the stores, the schema, the keys, the clocks and each platform, and say what to do.',
  details:
    'Each app is checked by an exchange with a code that cannot be good: the platform’s answer tells whether appid and secret are.\n' +
    'Ends with 1 when there is a problem, with 2 when the configuration cannot be read.',
  options: {},
  async run({ progress }) {
    const config = loadConfig()
    const checks: Check[] = [
      { name: 'configuration', state: 'ok', detail: `issuer ${config.issuer}` },
      ...misspeltVariables().map((detail) => ({ name: 'configuration', state: 'warning', detail }) as const),
    ]
    const note = (...found: Check[]) => {
      checks.push(...found)
      for (const { name, state } of found) progress(`${name}: ${state}`)
    }
    const database = createPostgres({
      url: config.databaseUrl,
      poolMax: 1,
      preparedStatements: config.databasePreparedStatements,
      onError: () => undefined,
    })
    let redisError: Error | undefined
    const cache = createRedisCache({ url: config.redisUrl, onError: (error) => (redisError = error) })
    const sender = createUndiciSender({ connections: 2 })
    try {
      note(...(await checkPostgres(database, config, systemClock)))
      note(await checkRedis(cache, () => redisError))
      for (const app of config.apps) note(...(await checkApp(app, config, sender.send, cache)))
    } finally {
      await Promise.all([database.close(), cache.close(), sender.close()])
    }
    const mark = { ok: 'ok      ', warning: 'warning ', problem: 'PROBLEM ' }
    return {
      ok: checks.every(({ state }) => state !== 'problem'),
      json: { checks },
      text: checks
        .map(
          ({ name, state, detail, advice }) =>
            `${mark[state]} ${name}: ${detail}${advice ? `\n          → ${advice}` : ''}`,
        )
        .join('\n'),
    }
  },
}

const because = (error: unknown): string => {
  if (error instanceof AggregateError && error.errors.length > 0) return because(error.errors[0])
  return error instanceof Error ? error.message || error.name : 'unknown error'
}

async function checkPostgres(database: Database, config: Config, clock: Clock): Promise<Check[]> {
  let serverNow: Date
  const asked = clock.now().getTime()
  try {
    const rows = await database.run<{ now: Date; read_only: string }>(
      {
        name: 'doctor',
        text: "select clock_timestamp() as now, current_setting('transaction_read_only') as read_only",
      },
      [],
    )
    serverNow = rows[0]?.now ?? new Date(Number.NaN)
    if (rows[0]?.read_only === 'on') {
      const advice = 'DATABASE_URL leads to a replica, or to a primary that was demoted: point it at the primary.'
      return [{ name: 'PostgreSQL', state: 'problem', detail: 'answers, but takes no writes', advice }]
    }
  } catch (error) {
    const advice = 'Check DATABASE_URL, the network policy on the way, the password, and max_connections.'
    return [{ name: 'PostgreSQL', state: 'problem', detail: because(error), advice }]
  }
  const found: Check[] = [
    { name: 'PostgreSQL', state: 'ok', detail: 'answers and takes writes' },
    skew('clock against PostgreSQL', serverNow, new Date((asked + clock.now().getTime()) / 2)),
  ]
  const pending = await pendingMigrations(database.kysely)
  if (pending.length > 0) {
    const advice = 'Run `npm run migrate`; the gateway waits for it.'
    return [...found, { name: 'schema', state: 'problem', detail: `lacks ${pending.join(', ')}`, advice }]
  }
  return [
    ...found,
    { name: 'schema', state: 'ok', detail: 'up to date' },
    ...(await checkKeys(database, config, { now: () => serverNow })),
  ]
}

function skew(name: string, theirs: Date, ours: Date): Check {
  const seconds = Math.round((ours.getTime() - theirs.getTime()) / 100) / 10
  const detail = `${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead'}`
  if (Math.abs(seconds) <= MAX_SKEW_SECONDS) return { name, state: 'ok', detail }
  return {
    name,
    state: 'problem',
    detail,
    advice: 'Tokens use this machine’s clock: fix its time synchronisation (NTP).',
  }
}

async function checkKeys(database: Database, config: Config, clock: Clock): Promise<Check[]> {
  const name = 'signing keys'
  const schedule = scheduleOf(config)
  const sealer = createSealer(config.encryptionKeys)
  const now = clock.now()
  const keys = await createKeyStore(database).list()
  const active = activeKey(keys, now)
  if (!active)
    return [{ name, state: 'warning', detail: 'there is none yet; the first start of the gateway makes one' }]
  const used = keys.filter((key) => ['active', 'pending'].includes(keyState(key, keys, now, schedule)))
  const lost = used.filter((key) => !opens(sealer, key))
  const found: Check[] = lost.map((key) => ({
    name,
    state: 'problem',
    detail: `${key.kid} is sealed under encryption key "${sealedWith(key.sealedPrivateJwk)}", which cannot decrypt it`,
    advice: `Put that key back into ENCRYPTION_KEYS; if it is lost: auth-gateway keys retire ${key.kid} (docs/runbook.md, "Lost encryption key").`,
  }))
  const ageSeconds = Math.round((now.getTime() - active.activatesAt.getTime()) / 1000)
  if (ageSeconds > schedule.rotationSeconds + OVERDUE_SECONDS) {
    const advice =
      'No replica rotates: is one running? Its log names the task signing-keys. By hand: auth-gateway keys rotate.'
    found.push({ name, state: 'problem', detail: `${active.kid} should have handed over long ago`, advice })
  }
  const behind = used.filter((key) => sealedWith(key.sealedPrivateJwk) !== sealer.currentKeyId)
  if (behind.length > lost.length)
    found.push({
      name,
      state: 'warning',
      detail: `${behind.length} sealed under an encryption key that is not the first`,
      advice: 'When every replica has the new key first: auth-gateway reseal.',
    })
  if (found.length > 0) return found
  const days = Math.floor(ageSeconds / 86_400)
  return [{ name, state: 'ok', detail: `${active.kid} (${active.alg}) has signed for ${Math.max(0, days)} day(s)` }]
}

async function checkRedis(cache: Cache, connectionError: () => Error | undefined): Promise<Check> {
  const name = 'Redis'
  const deadline = Date.now() + CACHE_WAIT_MS
  while (!cache.available() && Date.now() < deadline) await pause(20)
  const key = `doctor:${randomBytes(8).toString('hex')}`
  try {
    await cache.set(key, 'well', 10_000)
    const well = (await cache.get(key)) === 'well'
    await cache.delete(key)
    if (well) return { name, state: 'ok', detail: 'write and read back: OK' }
    return {
      name,
      state: 'problem',
      detail: 'a value written could not be read back',
      advice: 'Check maxmemory and its policy.',
    }
  } catch (error) {
    const advice = 'Check REDIS_URL, the network policy on the way and the password. Logins work without it, less well.'
    // Why there is no connection says more than that there is none.
    const cause = connectionError() ?? (error instanceof Error ? error.cause : undefined) ?? error
    return { name, state: 'problem', detail: because(cause), advice }
  }
}

async function checkApp(app: AppConfig, config: Config, send: Send, cache: Cache): Promise<Check[]> {
  const name = `${app.platform} ${app.appid}`
  let theirTime: { date: Date; at: Date } | undefined
  const watched: Send = async (request) => {
    const reply = await send(request)
    if (reply.date) theirTime = { date: new Date(reply.date), at: systemClock.now() }
    return reply
  }
  const sealer = createSealer(config.encryptionKeys)
  const platforms = [
    createWechat({ send: watched, apiBase: config.wechatApiBase, userApi: () => ({}) }),
    ...createOtherPlatforms({
      apps: [app],
      send: watched,
      cache,
      sealer,
      clock: systemClock,
      apiBases: config.platformApiBases,
    }),
  ]
  const [exchanging] = appsOn(platforms, [app]).all
  const error = await exchanging?.exchange(`doctor-${randomBytes(8).toString('hex')}`).then(
    () => undefined,
    (caught: unknown) => caught,
  )
  // The header has whole seconds, so half of one is the best guess.
  const clocks = theirTime
    ? [skew(`clock against ${app.platform}`, new Date(theirTime.date.getTime() + 500), theirTime.at)]
    : []
  return [{ name, ...verdict(error) }, ...clocks]
}

const advices: Record<string, string> = {
  40013: 'The appid is unknown to the platform: compare it with the console.',
  40125: 'The AppSecret is wrong or was reset: put the new one in (docs/runbook.md, "AppSecret was reset").',
  40001: 'The AppSecret is wrong or was reset: put the new one in (docs/runbook.md, "AppSecret was reset").',
  40164: 'This server’s outbound address is not on the allow-list of the console.',
  61004: 'This server’s outbound address is not on the allow-list of the console.',
  40243: 'The AppSecret is frozen in the console: unfreeze it.',
}

function verdict(error: unknown): Omit<Check, 'name'> {
  if (!(error instanceof PlatformError))
    return { state: 'problem', detail: `did not refuse a made-up code: ${because(error)}` }
  const detail = error.message
  if (error.refusal === 'code_invalid') return { state: 'ok', detail: 'reached; appid and secret are accepted' }
  if (error.refusal === 'system_busy' || error.refusal === 'rate_limited')
    return { state: 'warning', detail, advice: 'The platform is busy; ask again in a minute.' }
  if (error.failure !== 'refused')
    return {
      state: 'problem',
      detail,
      advice: 'Check outbound connectivity: egress policy, NAT, DNS, a proxy that breaks TLS.',
    }
  return {
    state: 'problem',
    detail,
    advice: advices[error.errcode ?? ''] ?? 'Look the code up in the platform’s documentation.',
  }
}
