/** Reads what a cluster would be given: the plain files always, and every overlay and component where kubectl is new enough. */
import { execFileSync, spawnSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'

// What the YAML parser answers: nothing is known of it until schema.ts and the policies have looked.
export type Manifest = ReturnType<typeof parse>
export type ManifestSet = { name: string; objects: Manifest[] }

export const root = dirname(import.meta.dirname)
const here = import.meta.dirname
export const cacheFolder = join(root, '.cache', 'k8s')

export const overlays = globSync(join(here, 'overlays/*')).sort()
export const components = globSync(join(here, 'components/*')).sort()
export const kustomizations = globSync(join(here, '**/kustomization.yaml')).sort()

const documents = (text: string): Manifest[] => parseAllDocuments(text).map((document) => document.toJS())

/** Resources as written, config maps as their generators would make them (without the hash in the name). */
export function plainFiles(): ManifestSet {
  const objects = kustomizations.flatMap((file) => {
    const folder = dirname(file)
    const { resources = [], configMapGenerator = [] } = parse(readFileSync(file, 'utf8'))
    const files: string[] = resources.filter((path: string) => path.endsWith('.yaml'))
    return [
      ...files.flatMap((path) => documents(readFileSync(join(folder, path), 'utf8'))),
      ...configMapGenerator
        .filter((generator: Manifest) => generator.behavior !== 'merge')
        .map((generator: Manifest) => configMap(folder, generator)),
    ]
  })
  return { name: 'plain files', objects }
}

function configMap(folder: string, { name, envs = [], files = [], options }: Manifest): Manifest {
  const lines = envs.flatMap((env: string) => readFileSync(join(folder, env), 'utf8').split('\n'))
  const pairs = lines
    .filter((line: string) => /^[A-Z]/.test(line))
    .map((line: string) => line.split(/=(.*)/s).slice(0, 2))
  const contents = files.map((file: string) => {
    const [key = '', path = key] = file.split('=')
    return [key, readFileSync(join(folder, path), 'utf8')]
  })
  const data = Object.fromEntries([...pairs, ...contents])
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: options?.labels ?? {} }, data }
}

/** Why nothing can be rendered on this machine; undefined where it can. `patches:` needs kustomize 5, so kubectl 1.27. */
export function whyNotRendered(): string | undefined {
  const result = spawnSync('kubectl', ['version', '--client', '--output=json'], { encoding: 'utf8' })
  if (result.error) return 'kubectl is not installed'
  const version = result.status === 0 ? String(JSON.parse(result.stdout).kustomizeVersion) : 'unknown'
  return /^v([5-9]|\d\d)\./.test(version) ? undefined : `kubectl carries kustomize ${version}, needed is v5`
}

/** Every overlay, and every component on the base alone: those that no overlay uses must work all the same. */
export function renderAll(): ManifestSet[] {
  const alone = components.map((component) => {
    const folder = join(cacheFolder, `base-and-${basename(component)}`)
    mkdirSync(folder, { recursive: true })
    const kustomization = {
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      namespace: 'auth-gateway',
      resources: [relative(folder, join(here, 'base'))],
      components: [relative(folder, component)],
    }
    writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
    return folder
  })
  return [...overlays, ...alone].map((folder) => ({
    name: basename(folder),
    objects: documents(execFileSync('kubectl', ['kustomize', folder], { encoding: 'utf8' })),
  }))
}
