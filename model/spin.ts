/** Runs spin: makes the verifier of a model, lets it search for a broken promise, and replays what it finds. */
import { execFile } from 'node:child_process'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What a search came to. `broken` has the printed lines of the history that breaks the promise. */
export type Search = { states: number; depth: number; broken: string[] | undefined }

export type Verifier = { search(claim: string): Promise<Search>; remove(): Promise<void> }

/** `every` looks at each state there is; `shortest` goes breadth first, so that what it finds is as short as can be. */
export type Order = 'every' | 'shortest'

const folder = fileURLToPath(new URL('.', import.meta.url))
/** Deeper than any history of these models; a search that is cut off counts as failed. */
const MAX_STEPS = 200_000
const MAX_MEGABYTES = 3000
const TIME_LIMIT_MS = 240_000

type Ran = { out: string; code: number }

function run(command: string, args: readonly string[], cwd: string): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const options = { cwd, maxBuffer: 64 * 1024 * 1024, timeout: TIME_LIMIT_MS }
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(new Error(`${command} ${args.join(' ')}: ${error.message}`))
      else resolve({ out: stdout + stderr, code: Number(error?.code ?? 0) })
    })
  })
}

async function succeed(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { out, code } = await run(command, args, cwd)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${out}`)
  return out
}

/** The programs that are missing here, each with the package that has it. */
export async function missingTools(): Promise<string[]> {
  const tools = ['spin', 'gcc', 'cpp']
  const found = await Promise.all(
    tools.map((tool) =>
      run(tool, [tool === 'spin' ? '-V' : '--version'], folder).then(
        () => true,
        () => false,
      ),
    ),
  )
  return tools.filter((_, index) => !found[index])
}

/** Builds the verifier of a model, with these names defined, in a folder of its own. */
export async function buildVerifier(model: string, defines: readonly string[], order: Order): Promise<Verifier> {
  const at = await mkdtemp(join(tmpdir(), 'auth-gateway-model-'))
  const source = join(folder, `${model}.pml`)
  const flags = defines.map((name) => `-D${name}`)
  try {
    const made = await run('spin', ['-a', ...flags, source], at)
    if (made.code !== 0 || /^spin: .*error/im.test(made.out))
      throw new Error(`spin cannot read ${model}.pml:\n${made.out}`)
    const search = order === 'shortest' ? ['-DBFS'] : []
    const options = ['-O1', '-w', '-DSAFETY', `-DMEMLIM=${MAX_MEGABYTES}`, ...search]
    await succeed('gcc', [...options, '-o', 'pan', 'pan.c'], at)
  } catch (error) {
    await rm(at, { recursive: true })
    throw error
  }

  return {
    async search(claim) {
      const { out } = await run(join(at, 'pan'), [`-m${MAX_STEPS}`, '-N', claim], at)
      const found = readSearch(out)
      if (found.errors === 0) return { ...found, broken: undefined }
      const trail = join(at, `${model}.pml.trail`)
      await access(trail)
      const history = await succeed('spin', ['-T', '-t', '-k', trail, ...flags, source], at)
      return { ...found, broken: history.split('\n').filter((line) => line.startsWith('|')) }
    },
    remove: () => rm(at, { recursive: true }),
  }
}

/** Reads what a verifier printed. Throws when it did not come to an end, or met an error that is no broken promise. */
export function readSearch(out: string): { states: number; depth: number; errors: number } {
  const [, depth, errors] = /depth reached (\d+), errors: (\d+)/.exec(out) ?? []
  const states = /^\s*([\d.e+]+) states, stored/m.exec(out)?.[1]
  if (depth === undefined || errors === undefined || states === undefined)
    throw new Error(`the search came to no end:\n${out}`)
  if (errors !== '0' && !/assertion violated/.test(out)) throw new Error(`the search failed:\n${out}`)
  if (errors === '0' && /Search not completed|max search depth too small|reached -DMEMLIM/.test(out))
    throw new Error(`the search was cut off:\n${out}`)
  return { states: Number(states), depth: Number(depth), errors: Number(errors) }
}
