/** Builds the mini-program SDK (one plain ES2017 file for bundlers, one for WeChat DevTools' own npm, their types, the sample's copy), the browser SDK, and the package of all. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** The SDK as one file. `cjs` is what DevTools loads from `miniprogram_npm`, and what a page can `require`. */
export async function bundleMiniprogramSdk(format: 'esm' | 'cjs', minify: boolean): Promise<string> {
  const result = await build({
    entryPoints: [`${root}src/sdk/miniprogram/miniprogram.ts`],
    bundle: true,
    write: false,
    format,
    minify,
    target: 'es2017',
    charset: 'utf8',
    banner: minify
      ? {}
      : {
          js: '/* Mini-program SDK of the auth gateway. MIT. Built from src/sdk/miniprogram/miniprogram.ts; do not edit. */',
        },
    tsconfigRaw: {},
  })
  return result.outputFiles[0]?.text ?? ''
}

/** The browser SDK as one module, the core of the mini-program SDK inside. */
export async function bundleWebSdk(): Promise<string> {
  const result = await build({
    entryPoints: [`${root}src/sdk/web/web.ts`],
    ...{ bundle: true, write: false, format: 'esm', target: 'es2022', charset: 'utf8', tsconfigRaw: {} },
  })
  return result.outputFiles[0]?.text ?? ''
}

/** The types, which are checked against the language of ES2017 alone: no DOM, no Node, no `wx`. */
function declare(outDir: string): void {
  const options =
    '--declaration --emitDeclarationOnly --strict --exactOptionalPropertyTypes --target es2017 --lib es2017 --module esnext ' +
    '--moduleResolution bundler --allowImportingTsExtensions --rewriteRelativeImportExtensions --ignoreConfig'
  const tsc = `${root}node_modules/.bin/tsc`
  execFileSync(
    tsc,
    [`${root}src/sdk/miniprogram/miniprogram.ts`, ...options.split(' '), '--types', '', '--outDir', outDir],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  )
}

export async function buildMiniprogramSdk(into: { dist: string; sample: string }): Promise<void> {
  const published = `${into.dist}/sdk/miniprogram`
  const devtools = `${into.dist}/miniprogram`
  for (const folder of [published, devtools, into.sample]) mkdirSync(folder, { recursive: true })
  writeFileSync(`${published}/miniprogram.js`, await bundleMiniprogramSdk('esm', false))
  const common = await bundleMiniprogramSdk('cjs', false)
  writeFileSync(`${devtools}/miniprogram.js`, common)
  writeFileSync(`${into.sample}/miniprogram.js`, common)
  declare(published)
  for (const file of readdirSync(published)) {
    if (!/^(miniprogram|adapters|error|options|session|wire)\.d\.ts$/.test(file)) continue
    copyFileSync(`${published}/${file}`, `${devtools}/${file}`)
    copyFileSync(`${published}/${file}`, `${into.sample}/${file}`)
  }
}

/** What `npm pack ./dist` packs. The gateway's own manifest would bring the whole server, and a Node, into every service. */
export function describePackage(dist: string): void {
  const own = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
  const { name, version, description, license, exports, dependencies } = own
  const manifest = {
    ...{ name, version, description, license },
    type: 'module',
    engines: { node: '>=20' },
    // The server's bundle is built into the same folder and is not for those who verify tokens.
    files: ['sdk', 'miniprogram'],
    exports: JSON.parse(JSON.stringify(exports).replaceAll('./dist/', './')),
    miniprogram: 'miniprogram',
    dependencies: { jose: `^${dependencies.jose}` },
  }
  writeFileSync(`${dist}/package.json`, `${JSON.stringify(manifest, undefined, 2)}\n`)
  copyFileSync(`${root}LICENSE`, `${dist}/LICENSE`)
}

if (import.meta.main) {
  await buildMiniprogramSdk({ dist: `${root}dist`, sample: `${root}examples/miniprogram/sdk` })
  writeFileSync(`${root}dist/sdk/web/web.js`, await bundleWebSdk())
  describePackage(`${root}dist`)
}
