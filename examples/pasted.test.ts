/** The three ways in, by pasting: what README.md, docs/ and examples/ print is taken out of the text and run against real services. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runInNewContext } from 'node:vm'
import { decodeJwt } from 'jose'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startPostgres } from '../src/dev/services/postgres.ts'
import { startRedis } from '../src/dev/services/redis.ts'
import { freePort, type Service } from '../src/dev/services/service.ts'
import { createWechatSimulator } from '../src/dev/simulator/wechat.ts'
import { createFakeWx } from '../src/dev/testing/fake-wx.ts'
import { type Listener, listen } from '../src/server/serve/listeners.ts'
import {
  cloneProject,
  codeOf,
  openTerminal,
  paste,
  type Replacement,
  type Terminal,
  until,
} from './pasted.test-support.ts'

const APPID = 'wx0123456789abcdef'
const SECRET = 'secret-of-the-pasted-app'
const AUTH = 'https://auth.example.com'
const ORDERS = 'https://orders.example.com'

let clone: string
let scratch: string
let port: { public: number; internal: number; wechat: number; orders: number }
let gateway: string

beforeAll(async () => {
  clone = cloneProject()
  scratch = mkdtempSync(join(tmpdir(), 'pasted-'))
  port = { public: await freePort(), internal: await freePort(), wechat: await freePort(), orders: await freePort() }
  gateway = `http://localhost:${port.public}`
})
afterAll(() => {
  for (const folder of [clone, scratch]) rmSync(folder, { recursive: true, force: true })
})

/** `npm run dev` on ports of its own. */
const dev = () =>
  `npm run dev -- --port ${port.public} --admin-port ${port.internal} --wechat-port ${port.wechat} --data ${scratch}/data`
const printsSuccess = (text: string) => expect(text).toContain('"code":"00000"')

describe('a developer of a mini program and one of a service, on npm run dev', () => {
  let terminal: Terminal
  let tryIt: string[]
  let service: string
  let token: string

  beforeAll(async () => {
    const replacements: Replacement[] = [
      ['npm ci\n', ''],
      ['npm run dev\n', `${dev()} & wait\n`],
      ['http://localhost:8080', gateway],
    ]
    tryIt = codeOf('README.md', 'sh', replacements)
    terminal = openTerminal(tryIt[0] ?? '', { cwd: clone, env: { STATUS_LIST_TTL_SECONDS: '1' } })
    await until('the welcome', async () => /curl .*api\/login/.exec(terminal.text())?.[0], terminal)
    // jose is there already, so that no registry is asked for it.
    service = join(scratch, 'service')
    mkdirSync(service)
    const jose = join(clone, 'node_modules/jose')
    writeFileSync(join(service, 'package.json'), JSON.stringify({ type: 'module', dependencies: { jose } }))
  }, 60_000)
  afterAll(async () => await terminal?.close())

  test('the login of README.md is the one that npm run dev prints, and logs in', async () => {
    const printed = tryIt[1]?.trim() ?? ''
    expect(terminal.text()).toContain(printed)
    const reply = await paste(printed, { cwd: clone })
    printsSuccess(reply)
    token = JSON.parse(reply).data.token
  })

  test('the playground and its API page answer where README.md and the welcome say', async () => {
    for (const path of ['/', '/docs']) expect((await fetch(`${gateway}${path}`)).status).toBe(200)
  })

  test('the wx.login of README.md keeps the tokens of a user', async () => {
    const [snippet = ''] = codeOf('README.md', 'js', [[AUTH, gateway]])
    const phone = createFakeWx({ appid: 'wxdev0000000000001', login: () => `dev:bob:${Date.now()}` })
    runInNewContext(snippet, { wx: phone.wx })
    const kept = await until('the tokens', async () => phone.controls.disk.get('tokens'))
    phone.controls.close()
    expect(JSON.parse(kept)).toMatchObject({ token: /./, refresh_token: /^r1\./, user_id: /./, nickname: null })
  })

  test.each(['docs/verify.md', 'docs/miniprogram.md'])('the package is made and installed as %s says', async (page) => {
    const [make = '', install = ''] = codeOf(page, 'sh', [
      ['npm ci && ', ''],
      ['/tmp', scratch],
    ])
    await paste(make, { cwd: clone })
    await paste(install, { cwd: service, env: { npm_config_offline: 'true' } })
    const installed = JSON.parse(
      readFileSync(join(service, 'node_modules/miniprogram-auth-gateway/package.json'), 'utf8'),
    )
    // What verifies a token, and nothing of the server.
    expect(Object.keys(installed.dependencies)).toEqual(['jose'])
  })

  test('the ten lines of docs/miniprogram.md log in by themselves', async () => {
    const [lines = ''] = codeOf('docs/miniprogram.md', 'js', [
      [AUTH, gateway],
      ['https://api.example.com/orders', '/api/sessions'],
    ])
    const phone = createFakeWx({ appid: 'wxdev0000000000001', login: () => `dev:carol:${Date.now()}` })
    Object.assign(globalThis, { wx: phone.wx })
    writeFileSync(join(service, 'auth.js'), `${lines}\nexport { orders, profile }`)
    const { profile } = await import(pathToFileURL(join(service, 'auth.js')).href)
    Object.assign(globalThis, { wx: undefined })
    phone.controls.close()
    expect(profile).toMatchObject({ user_id: expect.any(String), nickname: null })
  })

  test.each([
    ['README.md, with jose', 'README.md', 'js', 1, 'payload'],
    ['README.md, with the SDK', 'README.md', 'js', 2, 'claims'],
    ['docs/verify.md, with the SDK', 'docs/verify.md', 'ts', 0, 'claims'],
    ['docs/consumers.md, with jose', 'docs/consumers.md', 'ts', 0, 'payload'],
  ] as const)('%s: the code verifies a token', async (_, page, language, index, result) => {
    const hosts: Replacement[] = [[AUTH, gateway]]
    if (page !== 'README.md') hosts.push([ORDERS, gateway])
    if (page === 'docs/verify.md') hosts.push(['http://gateway.auth-gateway.svc', gateway])
    const code = codeOf(page, language, hosts)[index]
    writeFileSync(join(service, 'verify.js'), `const token = process.env.TOKEN\n${code}\nconsole.log(${result}.sub)`)
    const printed = await paste('node verify.js', { cwd: service, env: { TOKEN: token } })
    expect(printed).toBe(`${decodeJwt(token).sub}\n`)
  })
})

test('an example runs as its README says: 200, and after the logout 401', async () => {
  const [start, end] = codeOf('examples/hono/README.md', 'sh', [
    ['npm run dev', dev()],
    ['localhost:8080', `localhost:${port.public}`],
    ['localhost:3000', `localhost:${port.orders}`],
    ['sleep 35', 'sleep 7'],
  ])
  // PORT is the service's; npm run dev has its own as an option.
  const env = { ISSUER: gateway, PORT: String(port.orders), STATUS_LIST_TTL_SECONDS: '1' }
  const printed = await paste(`${start}\n${end}`, { cwd: clone, env })
  expect([...printed.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status)).toEqual(['200', '401'])
  expect(printed).toContain('session_ended')
}, 60_000)

test('the READMEs of the examples on Node differ in nothing but the name', () => {
  const of = (name: string) => codeOf(`examples/${name}/README.md`, 'sh').join('\n').replaceAll(`${name}/`, 'NAME/')
  for (const name of ['express', 'fastify']) expect(of(name)).toBe(of('hono'))
})

test.each(['docs/miniprogram.md', 'examples/miniprogram/README.md'])(
  'npm run dev asks the real WeChat as %s says',
  async (page) => {
    const { app } = createWechatSimulator({ apps: [{ appid: APPID, secret: SECRET }] })
    const asked: string[] = []
    const fetchAndNote = (request: Request) => {
      asked.push(new URL(request.url).pathname)
      return app.fetch(request)
    }
    const wechat = await listen({ fetch: fetchAndNote }, { host: '127.0.0.1', port: 0 })
    const code = codeOf(page, 'sh', [
      ['YOUR_APPID', APPID],
      ['YOUR_APPSECRET', SECRET],
      ['https://api.weixin.qq.com', wechat.url],
      ['npm run dev\n', `${dev()} & wait\n`],
    ]).at(-1)
    const terminal = openTerminal(code ?? '', { cwd: clone })
    await until('the welcome', async () => (terminal.text().includes('not simulated') ? true : undefined), terminal)
    const phone = createFakeWx({ appid: APPID, login: () => `dev:ida:${page}` })
    const [snippet = ''] = codeOf('README.md', 'js', [[AUTH, gateway]])
    runInNewContext(snippet, { wx: phone.wx })
    await until('the tokens', async () => phone.controls.disk.get('tokens'))
    phone.controls.close()
    await terminal.close()
    await wechat.close(0)
    expect(asked).toEqual(['/sns/jscode2session'])
  },
  60_000,
)

describe('an operator, on PostgreSQL and Redis', () => {
  const stores: Service[] = []
  let wechat: Listener
  let terminal: Terminal
  let variables: string
  const pastedWithVariables = (code: string) => paste(`. ${variables}\n${code}`, { cwd: clone })
  const internal = (): Replacement => ['http://localhost:9090', `http://localhost:${port.internal}`]

  const login = async (person: string) => {
    const body = JSON.stringify({ code: `dev:${person}:${Date.now()}` })
    const headers = { 'content-type': 'application/json' }
    const reply = await fetch(`${gateway}/api/login`, { method: 'POST', headers, body })
    const { data } = (await reply.json()) as { data: { token: string; user_id: string } }
    return { ...data, sid: String(decodeJwt(data.token).sid) }
  }

  beforeAll(async () => {
    const postgres = await startPostgres()
    stores.push(postgres)
    const redis = await startRedis()
    stores.push(redis)
    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    await client.query("create role gateway login password 'secret'")
    await client.query('create database gateway owner gateway')
    await client.end()
    const simulator = createWechatSimulator({ apps: [{ appid: APPID, secret: SECRET }] })
    wechat = await listen(simulator.app, { host: '127.0.0.1', port: 0 })

    variables = join(scratch, 'variables.sh')
    const [tokens] = codeOf('docs/admin.md', 'sh', [internal()])
    const production = codeOf('README.md', 'sh', [
      ['@db:5432', `@127.0.0.1:${postgres.port}`],
      ['redis://cache:6379', redis.url],
      ['WECHAT_SECRET=...', `WECHAT_SECRET=${SECRET} WECHAT_API_BASE=${wechat.url}`],
      [
        'npm ci --omit=dev\n',
        `export PORT=${port.public} ADMIN_PORT=${port.internal}; { export -p; declare -p ORDERS; } > ${variables}\n`,
      ],
      ['npm start', 'npm start & wait'],
    ])[2]
    terminal = openTerminal(`${tokens}\n${production}`, { cwd: clone })
    const ready = async () => ((await fetch(`http://localhost:${port.internal}/readyz`)).ok ? true : undefined)
    await until('npm start', ready, terminal)
  }, 60_000)
  afterAll(async () => {
    await terminal?.close()
    await wechat?.close(0)
    await Promise.all(stores.map((service) => service.stop()))
  })

  test('README.md: migrated, started, ready, and the doctor finds nothing wrong', async () => {
    expect(terminal.text()).toContain('Applied: 0001_core')
    const printed = await pastedWithVariables(codeOf('README.md', 'sh', [internal()])[3] ?? '')
    expect(printed).toContain('{"status":"ready"')
    expect(printed).toContain('ok       wechat')
  }, 60_000)

  test('docs/admin.md: every command of the operators’ API does what it is printed for', async () => {
    const { user_id } = await login('dave')
    const frank = await login('frank')
    const { keys } = (await (await fetch(`${gateway}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] }
    const pages = codeOf('docs/admin.md', 'sh', [
      ['USER_ID/sessions/SID', `${frank.user_id}/sessions/${frank.sid}`],
      ['users?cursor=NEXT_CURSOR', `users?cursor=${user_id}`],
      ['audit?cursor=NEXT_CURSOR', `audit?cursor=${Date.now()}.1`],
      ['USER_ID', user_id],
      ['keys/KID', `keys/${keys[0]?.kid}`],
    ])
    const operators = pages.filter((code) => code.includes('"$GATEWAY/admin/'))
    expect(operators.length).toBeGreaterThanOrEqual(4)
    for (const line of operators.join('').trim().split('\n')) printsSuccess(await pastedWithVariables(line))
    const { token } = await login('erin')
    const tokens: Replacement[] = [
      ['Bearer ACCESS_TOKEN', `Bearer ${token}`],
      ['token=TOKEN', `token=${token}`],
    ]
    const services = codeOf('docs/admin.md', 'sh', tokens).find((code) => code.includes('/oauth2/introspect'))
    const lines = services?.trim().split('\n') ?? []
    // Asked while the session lives; the line before it ends it.
    const [introspected, verified] = [`${lines[0]}\n${lines[1]}`, lines[3] ?? '']
    expect(await pastedWithVariables(introspected)).toContain('"active":true')
    expect(await pastedWithVariables(verified)).toMatch(/^HTTP\/1.1 200/)
    await pastedWithVariables(`${lines[0]}\n${lines[2]}`)
    expect(await pastedWithVariables(introspected)).toBe('{"active":false}')
  }, 60_000)

  test('docs/revocation.md: a service that follows the stream refuses an ended session', async () => {
    const { token } = await login('gail')
    const [code] = codeOf('docs/revocation.md', 'js', [
      ['const claims =', 'const check = async () => {\nconst claims ='],
    ])
    // The status list has no part in it: this verifier takes every token.
    const given = `const token = '${token}', verifier = { verify: async () => (${JSON.stringify(decodeJwt(token))}) }`
    const logout = `fetch('${gateway}/api/logout', { method: 'POST', headers: { authorization: 'Bearer ' + token } })`
    const rest = `}\nawait check(); await ${logout}\nfor (;;) await Promise.all([check(), new Promise((go) => setTimeout(go, 20))])`
    writeFileSync(join(clone, 'follow.mjs'), `${given}\n${code}${rest}`)
    await expect(pastedWithVariables('exec node follow.mjs')).rejects.toThrow('Error: the session has ended')
  })
})
