/** Type-checks manifests with the compiler: wrong types, missing fields and, unlike JSON-schema validators, unknown fields. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, type Manifest, root } from './render.ts'

const customResources: Record<string, string> = {
  'external-secrets.io': '@kubernetes-models/external-secrets',
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api',
  'keda.sh': '@kubernetes-models/keda',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
}

/** Returns the compiler's complaints about the objects, none when all fit their schema. */
export function schemaErrors(name: string, objects: Manifest[]): string[] {
  const folder = join(cacheFolder, `schema-${name.replaceAll(/\W+/g, '-')}`)
  mkdirSync(folder, { recursive: true })
  const lines = objects.map((object) => {
    const group = String(object.apiVersion).split('/')[0] ?? ''
    const module = `${customResources[group] ?? 'kubernetes-models'}/${object.apiVersion}/${object.kind}`
    return `;(${JSON.stringify(object)}) satisfies import('${module}').I${object.kind}`
  })
  writeFileSync(join(folder, 'objects.ts'), `${lines.join('\n')}\nexport {}\n`)
  const compilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    module: 'nodenext',
    target: 'es2024',
    types: [],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['objects.ts'] }))
  const compiler = join(root, 'node_modules', '.bin', 'tsc')
  const { stdout, stderr, error } = spawnSync(compiler, ['--project', folder, '--pretty', 'false'], {
    encoding: 'utf8',
  })
  if (error) throw error
  return `${stdout}${stderr}`.split('\n').filter((line) => line.trim() !== '')
}
