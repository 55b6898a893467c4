/** The searches of one run, a few side by side, each told of in one line as soon as it is done. */
import { models as everyModel, type Model, type Mutant } from './catalogue.ts'
import { scheduleOf } from './schedule.ts'
import { buildVerifier, type Order, type Search, type Verifier } from './spin.ts'

export type Result = { ok: boolean; text: string; schedule: string[] }

export type Work = { models?: readonly Model[]; jobs: number; say: (result: Result) => void }

type Task = () => Promise<Result>

/** Each promise of each model in every state that there is; and every state that must be met, so that no proof is about nothing. */
export async function prove({ models = everyModel, jobs, say }: Work): Promise<Result[]> {
  const tasks = models.flatMap((model) => [
    ...[undefined, ...(model.worlds ?? [])].flatMap((world) => promiseTasks(model, world)),
    ...model.reaches.map(
      ({ name, words, world }): Task =>
        async () => {
          const found = await searchOnce(model, [`REACH=${name}`, ...(world ? [world] : [])], 'not_met', 'shortest')
          return result(found.broken !== undefined, 'reached', model.name, words, found, found.broken ? [] : undefined)
        },
    ),
  ])
  return await together(tasks, jobs, say)
}

/** Each broken design must break the promise that it names. */
export async function proveMutants({ models = everyModel, jobs, say }: Work): Promise<Result[]> {
  const tasks = models.flatMap((model) => [
    ...model.mutants.map((mutant) => mutantTask(model, mutant, 'caught')),
    ...model.assumptions.map((assumption) => mutantTask(model, assumption, 'needed')),
  ])
  return await together(tasks, jobs, say)
}

function promiseTasks(model: Model, world: { name: string; words: string } | undefined): Task[] {
  // One verifier looks for one broken promise at a time.
  let verifier: Promise<Verifier> | undefined
  let left = model.promises.length
  return model.promises.map(({ name, words }) => async () => {
    verifier ??= buildVerifier(model.name, world ? [world.name] : [], 'every')
    try {
      const found = await (await verifier).search(name)
      const text = world ? `${words} (${world.words})` : words
      return result(found.broken === undefined, 'holds', model.name, text, found, found.broken)
    } finally {
      left -= 1
      if (left === 0) await (await verifier).remove()
    }
  })
}

const mutantTask =
  (model: Model, { name, words, breaks, also = [] }: Mutant, verb: string): Task =>
  async () => {
    const found = await searchOnce(model, [name, ...also], breaks, 'shortest')
    const promise = model.promises.find((one) => one.name === breaks)
    if (!promise) throw new Error(`${name} names no promise of ${model.name}`)
    const text = `${name}: ${words}\n         against: ${promise.words}`
    return result(found.broken !== undefined, verb, model.name, text, found, found.broken)
  }

async function searchOnce(model: Model, defines: string[], claim: string, order: Order): Promise<Search> {
  const verifier = await buildVerifier(model.name, defines, order)
  try {
    return await verifier.search(claim)
  } finally {
    await verifier.remove()
  }
}

function result(
  ok: boolean,
  verb: string,
  model: string,
  words: string,
  { states, depth }: Search,
  schedule: readonly string[] | undefined,
): Result {
  const word = ok ? verb : `NOT ${verb}`
  const text = `${word.padEnd(8)} ${model}: ${words}  [${states.toLocaleString('en')} states, depth ${depth.toLocaleString('en')}]`
  return { ok, text, schedule: schedule && schedule.length > 0 ? scheduleOf(schedule) : [] }
}

async function together(tasks: readonly Task[], jobs: number, say: (result: Result) => void): Promise<Result[]> {
  const results: Result[] = []
  const waiting = [...tasks]
  async function next(): Promise<void> {
    for (let task = waiting.shift(); task; task = waiting.shift()) {
      const done = await task()
      say(done)
      results.push(done)
    }
  }
  await Promise.all(Array.from({ length: jobs }, next))
  return results
}
