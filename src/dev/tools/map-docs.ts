/** Writes the map in AGENTS.md from the plan: `npm run docs`. A test holds them equal. */
import { readFileSync, writeFileSync } from 'node:fs'
import { layers, tables } from './plan.ts'

const file = 'AGENTS.md'
const [begin, end] = ['<!-- made from src/dev/tools/plan.ts by `npm run docs` -->', '<!-- end -->']

function map(): string {
  const rooms = layers
    .flatMap((layer, index) => Object.entries(layer).map(([room, what]) => [`src/server/${room}`, what, index + 1]))
    .reverse()
  const owned = Object.entries(tables).map(([table, { owner, writers }]) => [
    `\`${table}\``,
    `${owner}/`,
    writers.map((room) => `${room}/`).join(', ') || 'nobody',
  ])
  const row = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  return [
    row(['room', 'what it is for', 'layer']),
    '|---|---|---|',
    ...rooms.map(([room, what, layer]) => row([`\`${room}\``, String(what), String(layer)])),
    '',
    row(['table', 'owner', 'also written by']),
    '|---|---|---|',
    ...owned.map(row),
  ].join('\n')
}

/** AGENTS.md with the map of today. */
export function withMap(page: string): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${file} has no place for the map`)
  return `${page.slice(0, from)}${begin}\n${map()}\n${page.slice(to)}`
}

export const readAgents = (): string => readFileSync(file, 'utf8')

if (import.meta.main) writeFileSync(file, withMap(readAgents()))
