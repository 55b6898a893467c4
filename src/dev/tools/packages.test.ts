/** Each SDK's package: packed, installed as a stranger installs it, and used, by Node, by a bundler and by WeChat DevTools' npm. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildPackages, type Packed, sdkNames, tableOf } from './packages.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
let scratch: string
let consumer: string
let packed: Packed[]
const nameOf = (sdk: string) => `miniprogram-auth-gateway-${sdk}`
const installed = (sdk: string, ...path: string[]) => join(consumer, 'node_modules', nameOf(sdk), ...path)
const manifestOf = (sdk: string) => JSON.parse(readFileSync(installed(sdk, 'package.json'), 'utf8'))
const withoutDependency = sdkNames.filter((sdk) => sdk !== 'verifier')

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'packages-'))
  packed = await buildPackages(join(scratch, 'packages'))
  consumer = join(scratch, 'consumer')
  mkdirSync(consumer)
  writeFileSync(join(consumer, 'package.json'), '{"name":"consumer","private":true,"type":"module"}')
  const files = packed.map(({ file }) => join(scratch, 'packages', file))
  // The one dependency comes from here: nothing is fetched.
  const args = ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', join(root, 'node_modules/jose')]
  execFileSync('npm', [...args, ...files], { cwd: consumer, stdio: 'pipe' })
}, 120_000)
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

test('every SDK has a package with README, licence and types, and its true sizes are told', () => {
  expect([...sdkNames].sort()).toEqual(
    readdirSync(join(root, 'src/sdk')).filter((name) => existsSync(join(root, 'src/sdk', name, `${name}.ts`))),
  )
  for (const sdk of sdkNames) {
    expect(readFileSync(installed(sdk, 'README.md'), 'utf8')).toContain(`'${nameOf(sdk)}'`)
    expect(existsSync(installed(sdk, 'LICENSE'))).toBe(true)
    const manifest = manifestOf(sdk)
    const types = manifest.types ?? manifest.exports['.'].types
    expect(existsSync(installed(sdk, types)), types).toBe(true)
    const sizes = packed.find(({ name }) => name === nameOf(sdk))
    expect(sizes?.minifiedBytes).toBeLessThan(sdk === 'verifier' ? 20_000 : 15_000)
    expect(tableOf(packed)).toContain(`${sizes?.gzippedBytes}`)
    expect(readdirSync(installed(sdk), { recursive: true }).join()).not.toMatch(/test|src\//)
  }
})

test('the verifier runs in Node, with its middleware, and needs jose alone', () => {
  expect(Object.keys(manifestOf('verifier').dependencies)).toEqual(['jose'])
  const program = `
    import { createVerifier, VerifierError } from '${nameOf('verifier')}'
    import { expressAuth } from '${nameOf('verifier')}/middleware'
    const verifier = createVerifier({ issuer: 'https://auth.example.com', audience: 'x', onFailure() {}, fetch: async () => new Response(null, { status: 500 }) })
    const error = await verifier.verify('Bearer x').catch((error) => error)
    verifier.close()
    console.log(error instanceof VerifierError, error.code, typeof expressAuth(verifier))`
  const told = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: consumer })
  expect(told.toString()).toBe('true token_malformed function\n')
})

test.each(withoutDependency)('%s has no dependency, and loads as a module and as CommonJS', (sdk) => {
  expect(manifestOf(sdk).dependencies).toBeUndefined()
  const names = (program: string, type: string) =>
    execFileSync(process.execPath, [`--input-type=${type}`, '-e', program], { cwd: consumer })
      .toString()
      .trim()
      .split(' ')
  const own = sdk === 'web' ? 'createWebAuth' : 'createAuth'
  const asModule = names(`console.log(...Object.keys(await import('${nameOf(sdk)}')).sort())`, 'module')
  const asCommon = names(`console.log(...Object.keys(require('${nameOf(sdk)}')).sort())`, 'commonjs')
  expect(asModule).toContain(own)
  expect(asCommon).toEqual(
    expect.arrayContaining(asModule.filter((name) => name !== 'default' && name !== 'module.exports')),
  )
})

test.each(withoutDependency)(
  '%s: a resolver that knows no "exports" (webpack 4) finds plain files by "module" and "main"',
  async (sdk) => {
    const { main, module, type } = manifestOf(sdk)
    expect(type).toBeUndefined()
    for (const field of [main, module]) {
      const { outputFiles } = await build({
        // By path, as such a resolver ends up: nothing of "exports" is asked.
        stdin: { contents: `export * from ${JSON.stringify(installed(sdk, field))}`, resolveDir: consumer },
        ...{ bundle: true, write: false, format: 'iife', globalName: 'sdk', minify: true },
      })
      const code = outputFiles[0]?.text ?? ''
      expect(code).not.toMatch(/\brequire\(|\bimport\(/)
      // Its parser ends at ES2019: it reads no ?. and no ??.
      expect(readFileSync(installed(sdk, field), 'utf8').replaceAll(/(['"`/]).*?\1/g, '')).not.toMatch(
        /\?\.[\w[(]|\?\?/,
      )
    }
  },
)

test('构建 npm: the folder that "miniprogram" names has an index.js that runs on wx alone', () => {
  const folder = manifestOf('miniprogram').miniprogram
  const code = readFileSync(installed('miniprogram', folder, 'index.js'), 'utf8')
  const context = createContext({ module: { exports: {} }, setTimeout, wx: {} })
  expect(runInContext(`${code};typeof module.exports.createAuth`, context)).toBe('function')
})

test('npm run packages is the one command', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  expect(scripts.packages).toBe('node src/dev/tools/packages.ts')
})
