/** `npm run dev`: the whole gateway with everything embedded: PGlite, a cache in the process and a simulated WeChat. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { systemClock } from '../server/clock.ts'
import { ConfigError, loadConfig } from '../server/config/config.ts'
import { createGateway } from '../server/gateway.ts'
import { createLog } from '../server/observability/log.ts'
import { createUndiciSender } from '../server/platforms/fetch-json.ts'
import { listen } from '../server/serve/listeners.ts'
import { createMemoryCache } from '../server/storage/cache.memory.ts'
import { migrate } from '../server/storage/migrate.ts'
import { FolderInUse, lockFolder } from './data-lock.ts'
import { createPglite } from './pglite.ts'
import { createJournal } from './playground/journal.ts'
import { createPlayground } from './playground/playground.ts'
import { createWechatSimulator } from './simulator/wechat.ts'
import { createSwitchableCache } from './switchable-cache.ts'

const help = `Usage: npm run dev -- [options]

  --port <n>         public listener, default 8080
  --host <address>   its address, default 127.0.0.1; 0.0.0.0 lets a phone in, and whoever else is in your network
  --admin-port <n>   internal listener, default 9090
  --wechat-port <n>  simulated WeChat, default 8081
  --data <folder>    where the database and the keys are kept, default ./.data
  --help             this text

Any variable of docs/configuration.md may be set too, except the stores. With the real WeChat instead of the simulated one:
WECHAT_APPID=wx… WECHAT_SECRET=… WECHAT_API_BASE=https://api.weixin.qq.com npm run dev`

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8080' },
    host: { type: 'string', default: '127.0.0.1' },
    'admin-port': { type: 'string', default: '9090' },
    'wechat-port': { type: 'string', default: '8081' },
    data: { type: 'string', default: './.data' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(help)
  process.exit(0)
}
if (process.env.NODE_ENV === 'production') fail('npm run dev is for development only; in production use npm start.')

const APPID = 'wxdev0000000000001'
const SECRET = 'development-only-secret'
const ADMIN_TOKEN = 'development-only-admin-token-0000000000'

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}

function configOrExit(environment: Record<string, string | undefined>) {
  try {
    return loadConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) fail(error.message)
    throw error
  }
}

async function lockOrExit(folder: string): Promise<void> {
  try {
    await lockFolder(folder)
  } catch (error) {
    if (error instanceof FolderInUse) fail(error.message)
    throw error
  }
}

/** Made at the first start and kept beside the data it seals. */
function encryptionKeys(folder: string): string {
  const file = join(folder, 'encryption-keys')
  if (!existsSync(file)) writeFileSync(file, `dev:${randomBytes(32).toString('base64')}`, { mode: 0o600 })
  return readFileSync(file, 'utf8')
}

await lockOrExit(values.data)

const host = '127.0.0.1'
const issuer = `http://localhost:${values.port}`
const simulated = `http://${host}:${values['wechat-port']}`
const config = configOrExit({
  LOG_LEVEL: 'warn',
  ADMIN_TOKENS: `dev:admin+introspect+revoke+open-data:${ADMIN_TOKEN}`,
  WECHAT_APPID: APPID,
  WECHAT_SECRET: SECRET,
  ISSUER: issuer,
  AVATAR_STORE: pathToFileURL(resolve(values.data, 'pictures')).href,
  WECHAT_API_BASE: simulated,
  ...process.env,
  HOST: values.host,
  PORT: values.port,
  ADMIN_HOST: host,
  ADMIN_PORT: values['admin-port'],
  DATABASE_URL: 'postgres://embedded',
  REDIS_URL: 'redis://embedded',
  ENCRYPTION_KEYS: encryptionKeys(values.data),
})

const database = await createPglite({ directory: join(values.data, 'postgres') })
await migrate(database.kysely)
const sender = createUndiciSender()
const cache = createSwitchableCache(createMemoryCache({ clock: systemClock }))
const journal = createJournal()
const gateway = await createGateway({
  config,
  database,
  cache,
  send: journal.recordSend(sender.send),
  clock: systemClock,
  log: createLog({ level: config.logLevel }),
  docsOnPublic: true,
})
const simulator = createWechatSimulator({
  apps: config.apps.map(({ appid, secret }) => ({ appid, secret, openPlatform: 'dev' })),
})
const playground = createPlayground({
  publicApp: gateway.publicApp,
  simulator: simulator.app,
  cache,
  journal,
  issuer: config.issuer,
  audience: config.audience,
  appid: config.apps[0]?.appid ?? APPID,
  statusListTtlSeconds: config.statusListTtlSeconds,
  baseUrl: `http://${host}:${values.port}`,
})

try {
  const listeners = await Promise.all([
    listen(simulator.app, { host, port: Number(values['wechat-port']) }),
    listen(playground.app, config.publicListener),
    listen(gateway.internalApp, config.internalListener),
  ])
  await gateway.start()
  await playground.ready()
  printWelcome()
  const stop = async () => {
    gateway.drain()
    playground.close()
    await Promise.all(listeners.map((listener) => listener.close(1000)))
    await Promise.all([gateway.close(), sender.close()])
    process.exit(0)
  }
  process.on('SIGINT', () => void stop())
  process.on('SIGTERM', () => void stop())
} catch (error) {
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    fail(
      `${error.message}\nAnother program uses this port; choose others: npm run dev -- --port 18080 --admin-port 19090 --wechat-port 18081`,
    )
  }
  throw error
}

function printWelcome(): void {
  const appid = config.apps[0]?.appid ?? APPID
  const [wechat, login] =
    config.wechatApiBase === simulated
      ? [
          `http://localhost:${values['wechat-port']}    (simulated, app ${appid})`,
          `Log in; a code is good once, as with WeChat, so each paste asks for a fresh one:

  curl -s ${issuer}/api/login -H 'content-type: application/json' -d "{\\"code\\":\\"dev:alice:$(date +%s%N)\\"}"`,
        ]
      : [
          `${config.wechatApiBase}    (not simulated, app ${appid})`,
          `Log in from that mini program, with ${issuer} as its baseURL; the playground's phone has simulated codes only.`,
        ]
  console.log(`
  Playground  ${issuer}/    (a phone, and all that happens behind it)
  Gateway     ${issuer}
  API         ${issuer}/docs
  JWKS        ${issuer}/.well-known/jwks.json
  Internal    http://localhost:${values['admin-port']}/readyz    (admin token: ${ADMIN_TOKEN})
  WeChat      ${wechat}
  Data        ${values.data}    (delete it to start afresh)

  ${login}
`)
}
