/** Prints how big the core and the server are, and fails when the core is bigger than the plan states: part of `npm run check`. */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'
import { core, coreLines, notCounted } from './plan.ts'
import { importsOf, type Sources } from './walls.ts'

export type Sizes = { core: Record<string, number>; coreTotal: number; server: number; optional: number }

/** Where a production process begins. */
const starts = ['src/main.ts', 'src/server/serve/serve.ts', 'src/migrate.ts']

/** Lines of production code, comments and blank lines included. What only a dynamic import reaches is optional. */
export function measure(sources: Sources): Sizes {
  const always = loadedFrom(starts, sources)
  const production = Object.keys(sources).filter((path) => !/\.test\.ts$/.test(path) && !notCounted.test(path))
  const sum = (belongs: (path: string) => boolean) =>
    production.filter(belongs).reduce((total, path) => total + (sources[path] ?? '').split('\n').length - 1, 0)
  const rooms = core.map(
    (room) => [room, sum((path) => always.has(path) && path.startsWith(`src/server/${room}/`))] as const,
  )
  return {
    core: Object.fromEntries(rooms),
    coreTotal: rooms.reduce((total, [, lines]) => total + lines, 0),
    server: sum((path) => always.has(path)),
    optional: sum((path) => !always.has(path)),
  }
}

function loadedFrom(paths: readonly string[], sources: Sources): Set<string> {
  const loaded = new Set<string>()
  function visit(path: string): void {
    const text = sources[path]
    if (text === undefined || loaded.has(path)) return
    loaded.add(path)
    for (const { from, dynamic, typeOnly } of importsOf(text))
      if (!dynamic && !typeOnly && from.startsWith('.')) visit(join(dirname(path), from))
  }
  for (const path of paths) visit(path)
  return loaded
}

export function report({ core, coreTotal, server, optional }: Sizes, stated: number): { text: string; ok: boolean } {
  const ok = coreTotal <= stated
  const rooms = Object.entries(core).map(([room, lines]) => `${room} ${lines}`)
  const lines = [
    `core      ${coreTotal} lines of ${stated} stated: ${rooms.join(', ')}`,
    `server    ${server} lines, the core included; without command line and other platforms`,
    `optional  ${optional} lines more, which a plain server does not load`,
  ]
  if (!ok) lines.push('The core has grown: make it smaller, or state its new size in src/dev/tools/plan.ts on purpose.')
  return { text: lines.join('\n'), ok }
}

if (import.meta.main) {
  const paths = globSync(['src/server/**/*.ts', 'src/*.ts'])
  const sources = Object.fromEntries(paths.map((path) => [path, readFileSync(path, 'utf8')]))
  const { text, ok } = report(measure(sources), coreLines)
  console.log(text)
  if (!ok) process.exitCode = 1
}
