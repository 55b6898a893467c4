/** The short form of `npm run chaos -- --events`: everything on the way of an event is killed once. */
import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { EVENT_FAULTS, runEventChaos } from './events.ts'

test('no event is lost and none of a user overtakes another, whoever is killed', async () => {
  const seed = randomInt(2 ** 31)
  const lines: string[] = []
  const report = await runEventChaos({ events: 300, seed, rounds: 1, say: (line) => lines.push(line) })
  console.log(`events: seed ${seed} (again: npm run chaos -- --events 300 --seed ${seed})`, report)
  expect(report.violations, lines.join('\n')).toEqual([])
  expect(report.events).toBeGreaterThanOrEqual(300)
  expect(report.kills).toBe(EVENT_FAULTS.length)
})
