/** The whole gateway with everything embedded, as `npm run dev` runs it: PGlite, a cache in the process, a simulated WeChat and the playground. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { systemClock } from '../server/clock.ts'
import { type AppConfig, loadConfig, misspeltVariables } from '../server/config/config.ts'
import { createGateway, type Gateway } from '../server/gateway.ts'
import { createLog } from '../server/observability/log.ts'
import { createUndiciSender } from '../server/platforms/fetch-json.ts'
import { type Listener, listen, whyNotListening } from '../server/serve/listeners.ts'
import { createMemoryCache } from '../server/storage/cache.memory.ts'
import type { Database } from '../server/storage/database.ts'
import { openFolder } from './data-folder.ts'
import { openBrowser } from './open-browser.ts'
import type { Options } from './options.ts'
import { createJournal } from './playground/journal.ts'
import { createPlayground } from './playground/playground.ts'
import { eventTargets, type Sign } from './playground/services.ts'
import { createRequestLines } from './request-lines.ts'
import { seed } from './seed.ts'
import { createWechatSimulator } from './simulator/wechat.ts'
import { randomAlphanumerics } from './simulator/wechat-crypto.ts'
import { oauthKinds } from './simulator/wechat-people.ts'
import type { PushTarget } from './simulator/wechat-push.ts'
import { createSwitchableCache } from './switchable-cache.ts'

const APPID = 'wxdev0000000000001'
const SECRET = 'development-only-secret'
const ADMIN_TOKEN = 'development-only-admin-token-0000000000'
const LOOPBACK = '127.0.0.1'

/** Another program has a port that was asked for. */
class PortTaken extends Error {
  constructor(reason: string) {
    super(`${reason}: stop it, or choose others: npm run dev -- --port 18080 --admin-port 19090 --wechat-port 18081`)
    this.name = 'PortTaken'
  }
}

/** Serves until SIGINT or SIGTERM. Throws ConfigError, FolderInUse, FolderUnusable and PortTaken. */
export async function startDevelopment(options: Options): Promise<void> {
  const { port, adminPort, wechatPort, data } = options
  const { encryptionKeys, database } = await openFolder(data)
  const config = loadConfig(environmentOf(options, encryptionKeys))
  for (const line of misspeltVariables()) console.error(line)

  const lines = createRequestLines({ write: (line) => process.stdout.write(line), colours: hasColours() })
  const asJson = options.log === 'json'
  const log = createLog({ level: config.logLevel, ...(asJson ? {} : { destination: lines.destination }) })
  const sender = createUndiciSender()
  const cache = createSwitchableCache(createMemoryCache({ clock: systemClock }))
  const journal = createJournal()
  const gateway = await createGateway({
    config,
    database,
    cache,
    send: journal.recordSend(sender.send),
    clock: systemClock,
    log,
    docsOnPublic: true,
    // A code is good once, so each page has a new one.
    liveExamples: () => {
      const serial = process.hrtime.bigint()
      return {
        code: `dev:alice:${serial}`,
        phoneCode: `dev-phone:alice:${serial}`,
        appid: config.apps[0]?.appid ?? APPID,
        operatorToken: ADMIN_TOKEN,
      }
    },
  })
  const simulator = createWechatSimulator({
    apps: config.apps.map(({ appid, secret, platform }) => ({
      ...{ appid, secret, openPlatform: 'dev' },
      kind: oauthKinds.find((kind) => platform === `wechat-${kind}`),
    })),
    push: pushTargetOf(config.apps, port),
    fetch: journal.recordPush(globalThis.fetch),
  })
  const appid = config.apps[0]?.appid ?? APPID
  const playground = createPlayground({
    publicApp: lines.around(port, gateway.publicApp),
    simulator: simulator.app,
    cache,
    journal,
    issuer: config.issuer,
    audience: config.audience,
    appid,
    statusListTtlSeconds: config.statusListTtlSeconds,
    sign: signerOf(gateway.internalApp),
    receiptOf: (userId) => receiptOf(database, userId),
    baseUrl: `http://${LOOPBACK}:${port}`,
  })

  const listeners = await listenOnAll([
    () => listen(simulator.app, { host: LOOPBACK, port: wechatPort }),
    () => listen(playground.app, config.publicListener),
    () => listen(lines.around(adminPort, gateway.internalApp), config.internalListener),
  ])
  await gateway.start()
  await playground.ready()
  const simulated = config.wechatApiBase === simulatedBase(options)
  const seeded = options.seed
    ? await seed({
        ...gateway,
        adminToken: ADMIN_TOKEN,
        code: (person, serial) => `dev:${person}:seed-${process.hrtime.bigint()}-${serial}`,
      })
    : undefined
  console.log(welcome({ options, issuer: config.issuer, wechat: config.wechatApiBase, appid, simulated, seeded }))
  if (options.open) openBrowser(`${config.issuer}/`, (reason) => console.error(reason))

  const stop = async () => {
    gateway.drain()
    playground.close()
    await Promise.all(listeners.map((listener) => listener.close(1000)))
    await Promise.all([gateway.close(), sender.close()])
    process.exit(0)
  }
  process.on('SIGINT', () => void stop())
  process.on('SIGTERM', () => void stop())
}

/** The simulated WeChat pushes to this very gateway, as if its URL stood in the console. */
function pushTargetOf(apps: readonly AppConfig[], port: number): PushTarget | undefined {
  const { token, encodingAesKey } = apps.find(({ push }) => push?.token !== undefined)?.push ?? {}
  if (token === undefined || encodingAesKey === undefined) return undefined
  return { url: `http://${LOOPBACK}:${port}/platform-events/wechat/{appid}`, token, encodingAesKey }
}

/** What a service asks of the internal listener, without the way there. */
const signerOf =
  (app: Gateway['internalApp']): Sign =>
  async (body) => {
    const reply = await app.request('/internal/user-signature', {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const { code, msg, data } = (await reply.json()) as {
      code: string
      msg: string
      data: { signature: string } | null
    }
    return { status: reply.status, code, msg, ...(data && { signature: data.signature }) }
  }

async function receiptOf({ kysely }: Database, userId: string): Promise<string | undefined> {
  const erasure = kysely.selectFrom('erasures').select('id').where('user_id', '=', userId)
  return (await erasure.executeTakeFirst())?.id
}

/** Made at every start, and only for the simulated WeChat: whoever knows them can have users erased. */
const simulatedPush = (): Record<string, string> =>
  process.env.APPS !== undefined || process.env.WECHAT_API_BASE !== undefined
    ? {}
    : { WECHAT_PUSH_TOKEN: randomAlphanumerics(32), WECHAT_PUSH_AES_KEY: randomAlphanumerics(43) }

const simulatedBase = ({ wechatPort }: Options) => `http://${LOOPBACK}:${wechatPort}`

function environmentOf(options: Options, encryptionKeys: string): Record<string, string | undefined> {
  return {
    ADMIN_TOKENS: `dev:admin+introspect+revoke+open-data+sign+credential+events+platform-events:${ADMIN_TOKEN}`,
    WECHAT_APPID: APPID,
    WECHAT_SECRET: SECRET,
    ...simulatedPush(),
    ISSUER: `http://localhost:${options.port}`,
    AVATAR_STORE: pathToFileURL(resolve(options.data, 'pictures')).href,
    WECHAT_API_BASE: simulatedBase(options),
    WECHAT_OPEN_BASE: simulatedBase(options),
    ...otherScreens(options),
    EVENT_TARGETS: JSON.stringify(eventTargets(`http://${LOOPBACK}:${options.port}`)),
    // The API page of the internal listener also calls the public one.
    WEB_ORIGINS: `http://localhost:${options.adminPort}`,
    ...process.env,
    HOST: options.host,
    PORT: String(options.port),
    ADMIN_HOST: LOOPBACK,
    ADMIN_PORT: String(options.adminPort),
    DATABASE_URL: 'postgres://embedded',
    REDIS_URL: 'redis://embedded',
    ENCRYPTION_KEYS: encryptionKeys,
  }
}

/** Devices, web pages and apps of WeChat OAuth, beside the one program; whoever brings apps of their own has none of these. */
function otherScreens({ port }: Options): Record<string, string> {
  const { APPS, WECHAT_APPID } = process.env
  const CLIENTS = '[{"id":"pc","name":"PC","kind":"device"},{"id":"h5","name":"H5","kind":"web"}]'
  if (APPS !== undefined || WECHAT_APPID !== undefined) return { CLIENTS }
  const redirects = [`http://localhost:${port}/playground/h5.html`]
  const oauth = { secret: SECRET, union: 'dev' }
  const apps = [
    { platform: 'wechat', appid: APPID, ...oauth },
    { platform: 'wechat-page', appid: 'wxdevpage000000001', redirects, ...oauth },
    { platform: 'wechat-web', appid: 'wxdevweb0000000001', redirects, ...oauth },
    { platform: 'wechat-app', appid: 'wxdevapp0000000001', ...oauth },
  ]
  return { CLIENTS, APPS: JSON.stringify(apps) }
}

/** NO_COLOR and FORCE_COLOR are Node's own to read (`hasColors` knows both). */
const hasColours = (): boolean => process.stdout.isTTY === true && process.stdout.hasColors()

async function listenOnAll(starts: (() => Promise<Listener>)[]): Promise<Listener[]> {
  try {
    return await Promise.all(starts.map((start) => start()))
  } catch (error) {
    const reason = whyNotListening(error)
    throw reason === undefined ? error : new PortTaken(reason)
  }
}

type Welcome = {
  options: Options
  issuer: string
  wechat: string
  appid: string
  simulated: boolean
  seeded: string | undefined
}

function welcome({ options, issuer, wechat, appid, simulated, seeded }: Welcome): string {
  const curl = `curl -s ${issuer}/api/login -H 'content-type: application/json' -d "{\\"code\\":\\"dev:alice:$(date +%s%N)\\"}"`
  const login = simulated
    ? `Log in; a code is good once, as with WeChat, so each paste asks for a fresh one:\n\n  ${curl}`
    : `Log in from that mini program, with ${issuer} as its baseURL; the playground's phone has simulated codes only.`
  return `
  Playground  ${issuer}/    (a phone, and all that happens behind it)
  Gateway     ${issuer}
  API         ${issuer}/docs
  JWKS        ${issuer}/.well-known/jwks.json
  Internal    http://localhost:${options.adminPort}/readyz    (admin token: ${ADMIN_TOKEN})
  WeChat      ${simulated ? `http://localhost:${options.wechatPort}    (simulated, app ${appid})` : `${wechat}    (not simulated, app ${appid})`}
  Data        ${options.data}    (delete it to start afresh)${seeded === undefined ? '' : `\n  Seed        ${seeded}`}

  ${login}
`
}
