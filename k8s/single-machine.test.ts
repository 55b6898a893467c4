/** What runs the gateway without Kubernetes: compose.yaml, its secrets and the systemd unit; and host names in the docs that exist. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../src/server/config/config.ts'
import { root } from './render.ts'

let scratch: string
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'single-machine-'))
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

type Service = {
  image: string
  command?: string[]
  environment?: Record<string, string>
  secrets?: string[]
  ports?: string[]
  healthcheck?: { test?: string[]; disable?: boolean }
  depends_on?: Record<string, { condition: string }>
  restart?: string
}
const compose = parse(readFileSync(join(root, 'compose.yaml'), 'utf8'), { merge: true }) as {
  services: Record<string, Service>
  secrets: Record<string, { file: string }>
}

describe('compose.yaml', () => {
  const { services, secrets } = compose

  it('has the gateway, its migration, its stores and a WeChat, each healthy before the next', () => {
    expect(Object.keys(services)).toEqual(['gateway', 'migrate', 'postgres', 'redis', 'simulator'])
    for (const [name, { depends_on = {}, healthcheck, image }] of Object.entries(services)) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        if (condition === 'service_completed_successfully') continue
        expect(condition, `${name} on ${other}`).toBe('service_healthy')
        expect(services[other]?.healthcheck?.test?.[0]).toBe('CMD')
      }
      if (name !== 'migrate') expect(healthcheck?.disable, name).toBeUndefined()
      expect(image).not.toMatch(/:latest$|^[^:]+$/)
    }
  })

  it('starts a gateway that accepts its configuration, with secrets as files that the script makes', () => {
    const folder = join(scratch, 'secrets')
    const make = () => execFileSync('sh', [join(root, 'deploy/make-secrets.sh'), folder], { env: { ...process.env } })
    make()
    expect(readdirSync(folder).sort()).toEqual(Object.keys(secrets).sort())
    for (const [name, { file }] of Object.entries(secrets)) expect(file).toBe(`.secrets/${name}`)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    const before = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
    make()
    expect(readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))).toEqual(before)

    const environment = Object.fromEntries(
      Object.entries(services.gateway?.environment ?? {}).map(([name, value]) => [
        name,
        value.replace(/^\/run\/secrets/, folder),
      ]),
    )
    const config = loadConfig(environment)
    expect(new URL(config.databaseUrl).hostname in services).toBe(true)
    expect(new URL(config.redisUrl).hostname in services).toBe(true)
    expect(new URL(config.wechatApiBase).hostname in services).toBe(true)
    const [app] = config.apps
    expect(services.simulator?.command).toContain(`${app?.appid}:${app?.secret}`)
    const used = new Set(Object.values(services).flatMap((service) => service.secrets ?? []))
    expect(used).toEqual(new Set(Object.keys(secrets)))
  })

  it('opens ports on this machine alone, and passes no secret in the environment', () => {
    for (const { ports = [], environment = {} } of Object.values(services)) {
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/)
      for (const [name, value] of Object.entries(environment))
        if (/SECRET|PASSWORD|KEYS|TOKENS|DATABASE_URL/.test(name))
          expect([name, value]).toEqual([
            expect.stringMatching(/_FILE$/),
            expect.stringMatching(/^\/run\/secrets\/\w+$/),
          ])
    }
  })
})

describe('deploy/auth-gateway.service', () => {
  const unit = readFileSync(join(root, 'deploy/auth-gateway.service'), 'utf8')
  const all = (name: string) => [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value)

  it('gives every secret as a credential and migrates before it serves', () => {
    const files = all('Environment').filter((value) => value?.includes('_FILE='))
    const credentials = all('LoadCredential').map((value) => value?.split(':')[0])
    expect(files.map((value) => value?.split('=%d/')[1])).toEqual(credentials)
    expect(all('ExecStartPre')).toEqual(['/usr/bin/node dist/server/migrate.js'])
    expect(all('ExecStart')).toEqual(['/usr/bin/node --max-semi-space-size=32 dist/server/main.js'])
    expect(all('RestartPreventExitStatus')).toEqual(['2'])
    expect(unit).not.toMatch(/^(User=root|Environment=\w*(SECRET|KEYS|TOKENS)=)/m)
  })

  const analyze = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' })
  it.skipIf(analyze.error !== undefined && !process.env.CI)(
    'is a valid unit and hardened, as systemd-analyze sees it',
    () => {
      const file = join(scratch, 'auth-gateway.service')
      writeFileSync(file, unit.replaceAll('/usr/bin/node', process.execPath))
      const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' })
      expect(`${verified.stdout}${verified.stderr}`.split('\n').filter((line) => line.includes(file))).toEqual([])
      const security = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', file], {
        encoding: 'utf8',
      })
      const worst = security.stdout
        .split('\n')
        .filter((line) => /✗|Overall/.test(line))
        .join('\n')
      expect(security.status, `${worst}${security.stderr}`).toBe(0)
    },
  )
})

describe('host names inside the cluster', () => {
  const servicesFile = readFileSync(join(root, 'k8s/base/services.yaml'), 'utf8')
  const namespace = /^ {2}name: (\S+)$/m.exec(readFileSync(join(root, 'k8s/base/namespace.yaml'), 'utf8'))?.[1]
  const ports = new Map(
    servicesFile
      .split(/^---$/m)
      .map((text) => parse(text))
      .map((service) => [
        `${service.metadata.name}.${namespace}.svc`,
        service.spec.ports.map((one: { port: number }) => one.port),
      ]),
  )
  const files = globSync(
    [
      'README*.md',
      'docs/*.md',
      'examples/**/*',
      'k8s/**/*.{yaml,env,md}',
      'sdks/**/*',
      'src/sdk/**/*',
      'bench/**/*.md',
    ],
    { cwd: root, exclude: (path) => /node_modules|\/(target|build|dist)$/.test(path) },
  ).filter((path) => /\.(md|ya?ml|conf|ts|go|java|py|env|json)$/.test(path) && existsSync(join(root, path)))

  it('are those of the manifests, with a port that the service has, in every page, example and SDK', () => {
    const wrong: string[] = []
    let seen = 0
    for (const path of files)
      for (const [text, host = '', port] of readFileSync(join(root, path), 'utf8').matchAll(
        /\b([a-z0-9-]*(?:gateway|auth)[a-z0-9-]*(?:\.[a-z0-9-]+)+\.svc)(?:\.cluster\.local)?(?::(\d+))?/g,
      )) {
        seen += 1
        const known = ports.get(host)
        if (!known?.includes(Number(port ?? 80))) wrong.push(`${path}: ${text}`)
      }
    expect(wrong).toEqual([])
    expect(seen).toBeGreaterThan(20)
  })
})
