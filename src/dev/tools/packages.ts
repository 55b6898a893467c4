/** `npm run packages`: each SDK as a package of its own in dist/packages, packed, with its true sizes; `npm publish` takes the packed files. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** SDKs that are one file without a dependency, and the language of that file. */
const bundled = { miniprogram: 'es2017', web: 'es2018' } as const
type Bundled = keyof typeof bundled

const descriptions = {
  verifier:
    'Verifies the access tokens of the mini-program auth gateway in your own service: offline, with revocation.',
  miniprogram: 'Login, refresh and requests for mini programs on the auth gateway: one file, no dependency.',
  web: 'Login by ticket, refresh and requests for web pages on the auth gateway: one file, no dependency.',
} as const
type Sdk = keyof typeof descriptions
export const sdkNames = (Object.keys(descriptions) as Sdk[]).filter((name) =>
  existsSync(join(root, 'src/sdk', name, `${name}.ts`)),
)

const common = (name: Sdk) => ({
  name: `${own.name}-${name}`,
  version: own.version,
  description: descriptions[name],
  license: own.license,
})

export type Packed = {
  name: string
  file: string
  packedBytes: number
  codeBytes: number
  minifiedBytes: number
  gzippedBytes: number
}

/** Writes each package as a folder below `into` and packs it beside. */
export async function buildPackages(into: string): Promise<Packed[]> {
  rmSync(into, { recursive: true, force: true })
  const compiled = mkdtempSync(join(tmpdir(), 'sdk-'))
  try {
    execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', join(root, 'tsconfig.sdk.json'), '--outDir', compiled])
    const packed: Packed[] = []
    for (const name of sdkNames) {
      const folder = join(into, name)
      mkdirSync(folder, { recursive: true })
      const main = name === 'verifier' ? writeVerifier(folder, compiled) : await writeBundled(name, folder, compiled)
      for (const [from, to] of [
        [`src/sdk/${name}/README.md`, 'README.md'],
        ['LICENSE', 'LICENSE'],
      ] as const)
        copyFileSync(join(root, from), join(folder, to))
      packed.push(await pack(name, folder, into, main))
    }
    return packed
  } finally {
    rmSync(compiled, { recursive: true })
  }
}

const manifest = (folder: string, members: object) =>
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(members, undefined, 2)}\n`)

function writeVerifier(folder: string, compiled: string): string {
  cpSync(join(compiled, 'verifier'), folder, { recursive: true })
  manifest(folder, {
    ...common('verifier'),
    type: 'module',
    engines: { node: '>=20' },
    exports: {
      '.': { types: './verifier.d.ts', default: './verifier.js' },
      './middleware': { types: './middleware.d.ts', default: './middleware.js' },
    },
    dependencies: { jose: `^${own.dependencies.jose}` },
  })
  return join(folder, 'verifier.js')
}

/** Without `"type"`: a resolver that knows no `exports` (webpack 4) takes `module` or `main`, and Node takes .js for CommonJS. */
async function writeBundled(name: Bundled, folder: string, compiled: string): Promise<string> {
  const bundle = async (format: 'esm' | 'cjs', to: string) =>
    await build({
      entryPoints: [join(root, 'src/sdk', name, `${name}.ts`)],
      outfile: join(folder, to),
      ...{ bundle: true, format, target: bundled[name], charset: 'utf8', tsconfigRaw: {} },
    })
  await bundle('cjs', 'index.js')
  await bundle('esm', 'index.mjs')
  for (const sdk of name === 'web' ? ['web', 'miniprogram'] : [name])
    cpSync(join(compiled, sdk), join(folder, 'types', sdk), {
      recursive: true,
      filter: (path) => !/\.(js|mjs)$/.test(path),
    })
  const types = `./types/${name}/${name}.d.ts`
  // 构建 npm copies the folder that `miniprogram` names; `require` of the package's name loads its index.js.
  const forDevtools = name === 'miniprogram' ? { miniprogram: 'miniprogram_dist' } : {}
  if (name === 'miniprogram') await bundle('cjs', 'miniprogram_dist/index.js')
  manifest(folder, {
    ...common(name),
    sideEffects: false,
    main: './index.js',
    module: './index.mjs',
    types,
    ...forDevtools,
    exports: { '.': { types, import: './index.mjs', default: './index.js' }, './package.json': './package.json' },
  })
  return join(folder, 'index.mjs')
}

async function pack(name: Sdk, folder: string, into: string, main: string): Promise<Packed> {
  const told = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', into], { cwd: folder })
  const [{ filename, size }] = JSON.parse(told.toString())
  // What a bundler makes of it; the dependency of the verifier is counted by whoever installs it.
  const minified = await build({
    entryPoints: [main],
    ...{ bundle: true, minify: true, write: false, format: 'esm', platform: 'neutral', external: ['jose', 'node:*'] },
  })
  const code = minified.outputFiles[0]?.contents ?? new Uint8Array()
  return {
    name: common(name).name,
    file: filename,
    packedBytes: size,
    codeBytes: readFileSync(main).length,
    minifiedBytes: code.length,
    gzippedBytes: gzipSync(code).length,
  }
}

export const tableOf = (packed: readonly Packed[]): string =>
  packed
    .map(
      ({ name, file, packedBytes, minifiedBytes, gzippedBytes }) =>
        `${name.padEnd(44)} ${String(packedBytes).padStart(7)} bytes packed, minified ${String(minifiedBytes).padStart(6)}, gzipped ${String(gzippedBytes).padStart(6)}   ${file}`,
    )
    .join('\n')

if (import.meta.main) {
  const into = join(root, 'dist/packages')
  console.log(`${tableOf(await buildPackages(into))}\n\nPublish one: npm publish ./dist/packages/FILE`)
}
