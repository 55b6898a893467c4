/** Holds the manifests to their schemas and to the policies of policy.ts, offline. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { policies, secretKeys } from './policy.ts'
import {
  components,
  kustomizations,
  type Manifest,
  type ManifestSet,
  overlays,
  plainFiles,
  renderAll,
  root,
  whyNotRendered,
} from './render.ts'
import { schemaErrors } from './schema.ts'

const why = whyNotRendered()
const plain = plainFiles()
const rendered = why === undefined ? renderAll() : []
if (why !== undefined) process.stderr.write(`\n  #### SKIPPED: no overlay was rendered: ${why}\n\n`)

const find = (set: ManifestSet | undefined, kind: string, name: string): Manifest =>
  set?.objects.find((object) => object.kind === kind && object.metadata.name === name)

for (const set of [plain, ...rendered]) {
  describe(set.name, () => {
    it('every object fits the schema of its kind, without unknown fields', () => {
      expect(schemaErrors(set.name, set.objects)).toEqual([])
    })
    it.each(Object.entries(policies))('%s', (_name, policy) => {
      expect(policy(set.objects)).toEqual([])
    })
  })
}

describe.skipIf(why !== undefined && !process.env.CI)(
  `rendered${why === undefined ? '' : ` (SKIPPED: ${why})`}`,
  () => {
    const production = rendered.find((set) => set.name === 'production')

    it('every overlay and every component renders', () => {
      expect(rendered).toHaveLength(overlays.length + components.length)
      expect(rendered.every((set) => find(set, 'Deployment', 'gateway'))).toBe(true)
    })
    it('every object is in the one namespace of its overlay', () => {
      for (const { name, objects } of rendered) {
        const [namespace] = objects.filter((object) => object.kind === 'Namespace')
        const elsewhere = objects.filter(
          (object) => object.kind !== 'Namespace' && object.metadata.namespace !== namespace.metadata.name,
        )
        expect(elsewhere, name).toEqual([])
      }
    })
    it('an autoscaler owns the number of replicas, and only one', () => {
      for (const { name, objects } of rendered) {
        const scalers = objects.filter((object) => ['HorizontalPodAutoscaler', 'ScaledObject'].includes(object.kind))
        const { replicas } = find({ name, objects }, 'Deployment', 'gateway').spec
        expect(scalers, name).toHaveLength(name === 'dev' ? 0 : 1)
        expect(replicas, name).toBe(name === 'dev' ? 1 : undefined)
      }
    })
    it('a changed configuration is a rollout: the config map has a hash in its name', () => {
      const { envFrom } = find(production, 'Deployment', 'gateway').spec.template.spec.containers[0]
      expect(envFrom[0].configMapRef.name).toMatch(/^gateway-config-[0-9a-z]{10}$/)
    })
    it('schema changes run under a role of their own: no pod of the server mounts the migration’s secret in production', () => {
      const secrets = (pod: Manifest) =>
        pod.spec.template.spec.volumes.flatMap((volume: Manifest) => volume.secret?.secretName ?? [])
      expect(secrets(find(production, 'Deployment', 'gateway'))).toEqual(['gateway-secrets'])
      expect(secrets(find(production, 'Job', 'gateway-migration'))).toEqual(['gateway-migration-secrets'])
    })
    it('production denies all traffic that no policy names', () => {
      const policy = find(production, 'NetworkPolicy', 'default-deny')
      expect(policy.spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
    })
    it('the init container component leaves no Job behind and migrates before the server starts', () => {
      const set = rendered.find(({ name }) => name === 'base-and-migration-init-container')
      expect(find(set, 'Job', 'gateway-migration')).toBeUndefined()
      expect(find(set, 'Deployment', 'gateway').spec.template.spec.initContainers[0].command).toEqual([
        'node',
        'dist/server/migrate.js',
      ])
    })
  },
)

describe('the checks themselves', () => {
  const broken = (change: (deployment: Manifest) => void) => {
    const copy = structuredClone(plain.objects)
    change(copy.find((object) => object.kind === 'Deployment' && object.metadata.name === 'gateway'))
    return copy
  }
  const container = (deployment: Manifest) => deployment.spec.template.spec.containers[0]

  it('a misspelt field is a schema error', () => {
    const objects = broken((deployment) => {
      container(deployment).imagePullPolice = 'Always'
    })
    expect(schemaErrors('misspelt', objects).join()).toContain('imagePullPolice')
  })
  it.each<[string, (deployment: Manifest) => void]>([
    ['restricted pod security', (deployment) => delete container(deployment).securityContext.readOnlyRootFilesystem],
    ['service-account token', (deployment) => delete deployment.spec.template.spec.automountServiceAccountToken],
    ['"latest"', (deployment) => Object.assign(container(deployment), { image: 'auth-gateway:latest' })],
    ['heap of Node', (deployment) => container(deployment).env.splice(0, 1)],
    [
      'alive by its process',
      (deployment) => Object.assign(container(deployment).livenessProbe.httpGet, { path: '/readyz' }),
    ],
    [
      'longer to go',
      (deployment) => Object.assign(deployment.spec.template.spec, { terminationGracePeriodSeconds: 30 }),
    ],
    [
      'every selector',
      (deployment) => Object.assign(deployment.spec.template.metadata.labels, { 'app.kubernetes.io/component': 'x' }),
    ],
    ['every port', (deployment) => container(deployment).ports.splice(0, 1)],
    ['made-by-hand', (deployment) => container(deployment).volumeMounts.push({ name: 'nowhere', mountPath: '/x' })],
    [
      'as files',
      (deployment) => container(deployment).env.push({ name: 'REDIS_URL_FILE', value: '/run/secrets/gateway/redis' }),
    ],
    ['its configuration knows', (deployment) => container(deployment).env.push({ name: 'REDIS_URI', value: 'x' })],
  ])('a manifest that breaks "%s" is found', (words, change) => {
    const policy = Object.entries(policies).find(([name]) => name.includes(words))?.[1]
    expect(policy?.(broken(change))).not.toEqual([])
  })
})

describe('kustomizations', () => {
  it('name only files and folders that exist, and patch only objects that exist', () => {
    const missing = kustomizations.flatMap((file) => {
      const {
        resources = [],
        components: parts = [],
        patches = [],
        configMapGenerator = [],
      } = parse(readFileSync(file, 'utf8'))
      const paths: string[] = [
        ...resources,
        ...parts,
        ...patches.flatMap((patch: Manifest) => patch.path ?? []),
        ...configMapGenerator.flatMap(({ envs = [], files = [] }: Manifest) => [
          ...envs,
          ...files.map((name: string) => name.split('=').at(-1)),
        ]),
      ]
      return [
        ...paths.filter((path) => !existsSync(join(dirname(file), path))),
        ...patches
          .filter(({ target }: Manifest) => !find(plain, target.kind, target.name))
          .map(({ target }: Manifest) => target),
      ]
    })
    expect(missing).toEqual([])
  })
  it('every patch file changes an object of the base', () => {
    const patches = parseAllDocuments(
      readFileSync(join(root, 'k8s/components/migration-init-container/init-container.yaml'), 'utf8'),
    )
    for (const patch of patches.map((document) => document.toJS()))
      expect(find(plain, patch.kind, patch.metadata.name)).toBeDefined()
  })
})

describe('docs/deploy.md', () => {
  const text = readFileSync(join(root, 'docs/deploy.md'), 'utf8')
  it.each(Object.entries(secretKeys))('makes the secret %s with every key, wherever it makes it', (name, keys) => {
    const commands = text.match(new RegExp(`create secret generic ${name} (.*\\\\\n)*.*`, 'g')) ?? []
    expect(commands.length).toBeGreaterThan(0)
    for (const command of commands) {
      const made = [...command.matchAll(/--from-literal=([\w-]+)=/g)].map(([, key]) => key)
      expect(made, command).toEqual(keys)
    }
  })
  it.each(components.map((component) => component.split('/').at(-1) ?? ''))(
    'explains the component %s',
    (component) => {
      expect(text).toContain(`components/${component}`)
    },
  )
})
