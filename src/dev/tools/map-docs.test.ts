/** The map in AGENTS.md against the plan that it is made from. */
import { globSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readAgents, withMap } from './map-docs.ts'
import { core, layers } from './plan.ts'

test('AGENTS.md shows the plan; `npm run docs` mends it', () => {
  expect(readAgents()).toBe(withMap(readAgents()))
})

test('every room of the plan is there, and says what it is for', () => {
  const rooms = layers.flatMap((layer) => Object.entries(layer))
  const there = globSync(rooms.map(([room]) => `src/server/${room}`.replace(/\/$/, '')))
  expect(there).toHaveLength(rooms.length)
  for (const [room, what] of rooms) expect(what, room).toBeTruthy()
  for (const room of core) expect(rooms.map(([name]) => name)).toContain(`${room}/`)
})
