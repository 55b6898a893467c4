/** Bundles the server for the image and `npm start`: most of a start, and a third of the memory, is hundreds of files that are found and compiled one by one. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Not in the bundle: native code. The image copies these packages (Dockerfile). */
export const external = ['sharp']

/** Builds `main.js`, `cli.js` and `migrate.js`. What the sources import dynamically stays in files that are loaded when needed. */
export async function buildServer(outdir: string): Promise<void> {
  rmSync(outdir, { recursive: true, force: true })
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/main.ts', 'src/cli.ts', 'src/migrate.ts'],
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    chunkNames: 'parts/[name]-[hash]',
    // `pg` asks for its native half only where somebody installed it.
    external: [...external, 'pg-native'],
    // src/main.ts turns source maps on. The sources themselves are not needed for the names and lines in a stack.
    sourcemap: true,
    sourcesContent: false,
    legalComments: 'eof',
    // Less to read and to compile; names stay, so that a stack says who called whom.
    minifyWhitespace: true,
    minifySyntax: true,
    metafile: true,
    // Packages in CommonJS require Node's own modules.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    tsconfigRaw: {},
    logLevel: 'warning',
  })
  writeFileSync(join(outdir, 'THIRD-PARTY-LICENSES.txt'), licencesOf(Object.keys(metafile.inputs)))
}

/** The licence of every package in the bundle, as most of them demand of a copy. */
function licencesOf(inputs: readonly string[]): string {
  const packages = new Set(inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []))
  const texts = [...packages].sort().map((path) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8'))
    const files = readdirSync(join(root, path)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
    const text = files.map((file) => readFileSync(join(root, path, file), 'utf8').trim())
    return [`${name} ${version} (${license})`, ...text].join('\n\n')
  })
  return `${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`
}

if (import.meta.main) await buildServer(join(root, 'dist/server'))
