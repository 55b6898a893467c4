/** The routes of the manifests against the gateway with everything switched on: what is public is reached, and nothing else. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { pushEnvironment } from '../src/dev/testing/push.ts'
import { APP_SECRET, APPID, startTestGateway, type TestGateway } from '../src/dev/testing/test-gateway.ts'
import { type Manifest, root } from './render.ts'

const read = (path: string) => parse(readFileSync(join(root, 'k8s/components', path), 'utf8'))

type Exposed = { path: string; exact: boolean }
const exposures: [string, Exposed[]][] = [
  [
    'the Ingress',
    read('ingress/ingress.yaml').spec.rules.flatMap((rule: Manifest) =>
      rule.http.paths.map(({ path, pathType }: Manifest) => ({ path, exact: pathType === 'Exact' })),
    ),
  ],
  [
    'the HTTPRoute',
    read('gateway-api/http-route.yaml').spec.rules.flatMap((rule: Manifest) =>
      rule.matches.map(({ path }: Manifest) => ({ path: path.value, exact: path.type === 'Exact' })),
    ),
  ],
]

let gateway: TestGateway
beforeAll(async () => {
  const page = {
    platform: 'wechat-page',
    appid: 'wx0000000000000009',
    secret: APP_SECRET,
    redirects: ['https://h5.example.com/'],
  }
  gateway = await startTestGateway({
    environment: {
      ...pushEnvironment,
      APPS: JSON.stringify([{ appid: APPID, secret: APP_SECRET }, page]),
      CLIENTS: '[{"id":"pc","name":"PC","kind":"device"}]',
      ADMIN_TOKENS:
        'all:admin+introspect+revoke+open-data+sign+credential+platform-events+events:all-scopes-0123456789-0123456789-0123',
      AVATAR_STORE: 'file:///tmp/exposure-avatars',
      EVENT_TARGETS: '[{"id":"orders","audience":"orders"}]',
    },
  })
})
afterAll(() => gateway.close())

/** Paths as a client asks for them. */
const pathsOf = (app: TestGateway['publicApp']) => [
  ...new Set(app.routes.filter(({ path }) => !path.includes('*')).map(({ path }) => path.replaceAll(/:\w+/g, 'x'))),
]

describe.each(exposures)('%s', (_name, exposed) => {
  const reaches = (path: string) =>
    exposed.some((one) => path === one.path || (!one.exact && path.startsWith(`${one.path}/`)))

  it('leads to every public path', () => {
    const paths = pathsOf(gateway.publicApp)
    expect(paths.length).toBeGreaterThan(25)
    expect(paths.filter((path) => !reaches(path))).toEqual([])
  })

  it('leads to no path of the internal listener', () => {
    const paths = pathsOf(gateway.internalApp)
    expect(paths.length).toBeGreaterThan(25)
    expect(paths.filter(reaches)).toEqual([])
  })
})
