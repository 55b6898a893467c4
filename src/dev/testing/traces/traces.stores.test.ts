/**
 * The code against a model: traces of logins, refreshes, ends, wrong clocks, restarts, key rotations and a polling verifier, drawn by
 * fast-check and played on the real sessions, keys and revocation. Always the same ones, so that a change is judged by what it changes;
 * others, and more: `TRACES_SEED=$RANDOM TRACES=20000 npx vitest run --project real <this file>`.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type Player, type Stage, startPlayer } from './player.ts'
import { pasted, type Step, steps } from './steps.ts'
import { openStage } from './world.ts'

/** Real locks are what races are about. */
const runs = Number(process.env.TRACES ?? (inject('stores') === 'real' ? 1850 : 150))
const seed = Number(process.env.TRACES_SEED ?? 20261127)
const MAX_STEPS = 12
/** A trace begins with two people who are logged in, and ends with time enough for everything to be told. */
const first: Step = {
  do: 'race',
  acts: [
    { do: 'login', person: 0, at: 0 },
    { do: 'login', person: 1, at: 1 },
  ],
  order: undefined,
}
const last: Step = { do: 'wait', seconds: 36, lag: 2, ask: 1 }

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => {
  player?.close()
  await stage.close()
})

/** Goes on from trace to trace, until one fails: what is tried next begins on new replicas. */
let player: Player | undefined

/** Plays the steps; a failure says which ones were played, as a test that can be pasted below. */
async function playing(work: (play: (step: Step) => Promise<void>) => Promise<void>): Promise<void> {
  player ??= await startPlayer(stage)
  const { begin, play, close } = player
  const played: Step[] = []
  try {
    await begin()
    await play(first)
    await work(async (step) => {
      played.push(step)
      await play(step)
    })
    await play(last)
  } catch (error) {
    close()
    player = undefined
    const text = error instanceof Error ? error.message : String(error)
    throw new Error(`${text}\n\n${pasted(played)}\n`, { cause: error })
  }
}

/** On replicas of its own. */
async function replay(trace: readonly Step[]): Promise<void> {
  player?.close()
  player = undefined
  await playing(async (play) => {
    for (const step of trace) await play(step)
  })
}

type Command = fc.AsyncCommand<object, (step: Step) => Promise<void>, true>
const command = (step: Step): Command => ({
  check: async () => true,
  run: (_, play) => play(step),
  toString: () => step.do,
})

test(`${runs} traces of logins, refreshes, ends, clocks, restarts, keys and lists are what the model says`, {
  timeout: 60_000 + runs * 1000,
}, async () => {
  const traces = fc.commands<object, (step: Step) => Promise<void>, true>(
    steps.map((step) => step.map(command)),
    { maxCommands: MAX_STEPS, size: 'max' },
  )
  await fc.assert(
    fc.asyncProperty(traces, (commands) =>
      playing(async (play) => {
        await fc.asyncModelRun(async () => ({ model: {}, real: play }), commands)
      }),
    ),
    { numRuns: runs, seed },
  )
})

test('a trace that is written down is played again', async () => {
  await replay([
    { do: 'refresh', session: 0, age: 0, at: 0, lost: true },
    { do: 'refresh', session: 0, age: 0, at: 1 },
    { do: 'wait', seconds: 31, lag: 1, ask: 0 },
    { do: 'refresh', session: 0, age: 1, at: 0 },
    { do: 'use', session: 0, age: 0, at: 1 },
    { do: 'wait', seconds: 36, lag: 0, ask: 1 },
  ])
  expect(pasted([{ do: 'logout', session: 0, age: 0, at: 1 }])).toContain(
    "{ do: 'logout', session: 0, age: 0, at: 1 },",
  )
})

test('a replica signs on when the time of the database goes back right after a key was retired', async () => {
  await replay([
    { do: 'wait', seconds: 280, lag: 0, ask: 0 },
    { do: 'wait', seconds: 125, lag: 0, ask: 0 },
    { do: 'restart', at: 0 },
    { do: 'retire', which: 'active', at: 0 },
    { do: 'databaseBack', seconds: 6 },
    { do: 'login', person: 0, at: 0 },
  ])
})
