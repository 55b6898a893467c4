/** Finds who climbs over a wall of the plan (plan.ts): layers, circles, who may use what, and who writes which table. */
import { dirname, join } from 'node:path/posix'
import { doors, entryPoints, layers, tables, WIRING, words } from './plan.ts'

/** Source text by path from the project's root: `src/app.ts`. */
export type Sources = Readonly<Record<string, string>>

const isTest = (path: string) => /\.(test|fixture)\.ts$/.test(path)

const MAX_LINES = 300
/** A test is a table of guarantees; it may be longer. */
const MAX_TEST_LINES = 450

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

export type ImportLine = { from: string; typeOnly: boolean; dynamic: boolean }

/** Every import and re-export, static or dynamic. */
export function importsOf(source: string): ImportLine[] {
  const text = withoutComments(source)
  const lines: ImportLine[] = []
  const clause = /^(?:import|export)\s+(type\s)?(?:[^'"`;=()]*?\sfrom\s+)?'([^']+)'/gm
  for (const [, type, from = ''] of text.matchAll(clause))
    lines.push({ from, typeOnly: type !== undefined, dynamic: false })
  for (const [, from = ''] of text.matchAll(/\bimport\(\s*'([^']+)'/g))
    lines.push({ from, typeOnly: false, dynamic: true })
  return lines
}

const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')

function textViolations(path: string, text: string): string[] {
  const found: string[] = []
  const inside = path.replace(/^src\//, '')
  if (!/^(#!.+\n)?\/\*\*\s+(\*\s+)?\S/.test(text)) found.push(`${path} does not open with a sentence on what it is`)
  const mayHave = isTest(path) ? MAX_TEST_LINES : MAX_LINES
  if (text.trimEnd().split('\n').length > mayHave) found.push(`${path} has more than ${mayHave} lines`)
  if (/(^|\/)(index|utils?|helpers?|common)(\/|\.ts$)/.test(path)) found.push(`${path} has a name that says nothing`)
  if (path.startsWith('src/') && !hasPlace(inside)) found.push(`${path} is in no room of the plan`)
  if (isTest(path)) return found
  const code = withoutComments(text)
  for (const { what, name, only } of words)
    if (what.test(code) && !only.test(inside)) found.push(`${path} uses ${name}`)
  if (inside.startsWith('server/')) found.push(...strangeWrites(path, roomOf(inside), code))
  return found
}

/** Writes to a table by a room that neither owns it nor is named beside the owner, and writes to a table that the plan lacks. */
function strangeWrites(path: string, room: string, code: string): string[] {
  const kysely = /\.(?:insertInto|updateTable|deleteFrom|mergeInto)\('(\w+)/g
  const text = /\b(?:insert into|update(?= \w+(?: \w+)? set\b)|delete from|truncate|lock table|alter table) (\w+)/g
  const written = [...code.matchAll(kysely), ...code.matchAll(text)].map(([, table = '']) => table)
  return [...new Set(written)].flatMap((name) => {
    // A partition belongs to its table.
    const found = Object.entries(tables).find(([table]) => name === table || name.startsWith(`${table}_`))
    if (!found) return [`${path} writes the table ${name}, which is not in the plan`]
    const [table, { owner, writers }] = found
    return room === owner || writers.includes(room) ? [] : [`${path} writes the table ${table} of ${owner}/`]
  })
}

function climbsFromMigration({ from }: ImportLine): string | undefined {
  return from === 'kysely' ? undefined : 'a migration knows Kysely and nothing else'
}

/** Why this import is over a wall, or undefined. */
function climbs(path: string, { from, typeOnly }: ImportLine): string | undefined {
  if (!from.startsWith('.')) return isTest(path) ? undefined : foreign(path, from, typeOnly)
  const target = join(dirname(path), from)
  if (isTest(path) || path.startsWith('dev/')) return undefined
  if (target.startsWith('../')) {
    const migration = target.startsWith('../migrations/') && path.startsWith('server/storage/')
    const version = target === '../package.json' && path === 'server/gateway.ts'
    return migration || version ? undefined : 'it is outside of src'
  }
  if (path.startsWith('sdk/')) return target.startsWith('sdk/') ? undefined : 'sdk/ stands alone'
  if (target.startsWith('dev/') || target.startsWith('sdk/')) return 'the server imports neither dev/ nor sdk/'
  if (roomOf(path) === roomOf(target)) return undefined
  const own = layerOf(path)
  const other = layerOf(target)
  if (own === undefined || other === undefined) return 'it is in no room of the plan'
  if (other >= own) return `it is on layer ${other}, and the importer on layer ${own}`
  // The composition root puts the parts together; so do programs.
  if (own < WIRING && roomOf(path) !== 'cli' && /(^|\/)(store|routes)\.ts$/.test(target))
    return 'stores and routes belong to their capability'
  return undefined
}

function foreign(path: string, name: string, typeOnly: boolean): string | undefined {
  if (path.startsWith('sdk/')) return /^(jose|node:.+)$/.test(name) ? undefined : 'sdk/ stands alone'
  const door = doors.find(({ what }) => what.test(name))
  if (!door || door.only.test(path) || (typeOnly && door.typesAnywhere)) return undefined
  return `it may be imported only by ${door.only}`
}

/** The room of a file of src/server/: its folder there, or the file itself. */
const roomOf = (path: string): string => path.replace(/^server\//, '').replace(/\/.*$/, '')

function layerOf(path: string): number | undefined {
  if (entryPoints.includes(path)) return layers.length
  const inside = path.replace(/^server\//, '')
  const found = layers.findIndex((rooms) =>
    Object.keys(rooms).some((room) => room === inside || (inside.startsWith(room) && room.endsWith('/'))),
  )
  return found < 0 ? undefined : found
}

const hasPlace = (path: string): boolean =>
  path.startsWith('dev/') || path.startsWith('sdk/') || layerOf(path) !== undefined

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
