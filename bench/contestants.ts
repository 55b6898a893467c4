/** Who is measured: each a command, its environment and its paths. The gateway is one of them. */

import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { fileURLToPath, pathToFileURL } from 'node:url'

export type Surroundings = {
  port: number
  adminPort: number
  databaseUrl: string
  redisUrl: string
  wechatUrl: string
  /** The gateway's own JWKS and its headers as JSON, for those that are to serve the same bytes. */
  sameJwks: string | undefined
}

export type Contestant = {
  name: string
  /** Run once before the first start. */
  prepare?: string[]
  command: string[]
  cwd?: string
  env: (at: Surroundings) => Record<string, string>
  /** What it can do. `ready` answers 200 as soon as it serves. */
  paths: { ready: string; login: string; refresh?: string; jwks?: string; sameJwks?: string }
}

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const node = (path: string) => [process.execPath, file(path)]
const POOL = '16'
const JWKS = '/.well-known/jwks.json'

function floor(name: string): Contestant {
  return {
    name,
    command: node(`floors/${name}.ts`),
    env: (at) => ({
      PORT: String(at.port),
      DATABASE_URL: at.databaseUrl,
      DATABASE_POOL_MAX: POOL,
      REDIS_URL: at.redisUrl,
      WECHAT_API_BASE: at.wechatUrl,
      ...(at.sameJwks === undefined ? {} : { SAME_JWKS: at.sameJwks }),
    }),
    paths: { ready: JWKS, login: '/api/login', refresh: '/api/refresh', jwks: JWKS, sameJwks: '/same-jwks' },
  }
}

/** Known here, so that a benchmark can mint refresh tokens of sessions that it put into the database itself. */
export const encryptionKey = { id: 'bench', secret: randomBytes(32) }

export const gateway: Contestant = {
  name: 'gateway',
  prepare: node('../src/migrate.ts'),
  // As `npm start` does: the site builds the bundle first.
  command: [process.execPath, '--max-semi-space-size=32', file('../dist/server/main.js')],
  env: (at) => ({
    NODE_ENV: 'production',
    ISSUER: `http://127.0.0.1:${at.port}`,
    DATABASE_URL: at.databaseUrl,
    DATABASE_POOL_MAX: POOL,
    REDIS_URL: at.redisUrl,
    ENCRYPTION_KEYS: `${encryptionKey.id}:${encryptionKey.secret.toString('base64')}`,
    WECHAT_APPID: 'wxbench0000000000',
    WECHAT_SECRET: randomBytes(16).toString('hex'),
    WECHAT_API_BASE: at.wechatUrl,
    HOST: '127.0.0.1',
    PORT: String(at.port),
    ADMIN_HOST: '127.0.0.1',
    ADMIN_PORT: String(at.adminPort),
    RATE_LIMIT: 'off',
  }),
  paths: { ready: JWKS, login: '/api/login', refresh: '/api/refresh', jwks: JWKS },
}

/** The gateway with its optional parts on: a plain login pays for none of them. */
const doors: Contestant = {
  ...gateway,
  name: 'doors',
  env: (at) => ({
    ...gateway.env(at),
    CLIENTS: '[{"id":"h5","name":"H5","kind":"web"},{"id":"pc","name":"PC","kind":"device"}]',
    WEB_ORIGINS: 'https://www.example.com',
    EVENT_TARGETS: '[{"id":"polls","audience":"b"}]',
    ADMIN_TOKENS: `all:admin+introspect+open-data+sign+credential+events+platform-events:${randomBytes(24).toString('hex')}`,
    AVATAR_STORE: pathToFileURL(tmpdir()).href,
  }),
}

/** The original under gunicorn; threads wait for WeChat side by side, plain workers one at a time. */
function django(name: string, workers: string[]): Contestant {
  const python = '/usr/bin/python3'
  return {
    name,
    prepare: [python, 'prepare.py', '10000'],
    command: [python, '-m', 'gunicorn', '--log-level', 'error', '--keep-alive', '60', ...workers, 'original.wsgi'],
    cwd: file('django'),
    env: (at) => ({
      PYTHONDONTWRITEBYTECODE: '1',
      GUNICORN_CMD_ARGS: `--bind 127.0.0.1:${at.port}`,
      DATABASE_URL: at.databaseUrl,
      WECHAT_API_BASE: at.wechatUrl,
    }),
    paths: { ready: '/ready', login: '/api/login' },
  }
}

/** Needs `npm ci --prefix bench/better-auth`. */
const betterAuth: Contestant = {
  name: 'better-auth',
  command: node('better-auth/server.mjs'),
  env: (at) => ({
    NODE_ENV: 'production',
    PORT: String(at.port),
    DATABASE_URL: at.databaseUrl,
    DATABASE_POOL_MAX: POOL,
    WECHAT_API_BASE: at.wechatUrl,
  }),
  paths: { ready: '/api/auth/ok', login: '/api/auth/wechat/login', jwks: '/api/auth/jwks' },
}

/** What others offer for the same job. */
export const PEERS: Contestant[] = [
  betterAuth,
  django('django-threads', ['--worker-class', 'gthread', '--workers', '4', '--threads', '16']),
  django('django-sync', ['--worker-class', 'sync', '--workers', '9', '--backlog', '2048']),
]

export const CONTESTANTS: Contestant[] = [gateway, doors, floor('bare'), floor('batched'), ...PEERS]
