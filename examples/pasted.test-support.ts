/** A stranger's clone and terminal: takes the code out of the documentation and runs it, all but the named replacements as it is printed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const NOT_CLONED = ['node_modules', '.git', '.data', '.cache', 'dist', 'artifacts', 'coverage', 'performance-data']

/** The project as it stands, so that what is built here disturbs nobody; its packages are there, as after `npm ci`. */
export function cloneProject(): string {
  const clone = mkdtempSync(join(tmpdir(), 'stranger-'))
  cpSync(root, clone, { recursive: true, filter: (path) => path === root || !NOT_CLONED.includes(basename(path)) })
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'))
  return clone
}

export type Replacement = readonly [printed: string, here: string]

/** The blocks of a page in one language, in their order. Throws when a replacement has nothing to replace on the page. */
export function codeOf(
  page: string,
  language: 'sh' | 'js' | 'ts',
  replacements: readonly Replacement[] = [],
): string[] {
  const text = readFileSync(join(root, page), 'utf8')
  const fence = new RegExp(`^ *\`\`\`${language}\\n([\\s\\S]*?)^ *\`\`\`$`, 'gm')
  const blocks = [...text.matchAll(fence)].map(([, code = '']) => code)
  for (const [printed] of replacements)
    if (!blocks.some((code) => code.includes(printed))) throw new Error(`${page} no longer prints ${printed}`)
  return blocks.map((code) => replacements.reduce((done, [printed, here]) => done.replaceAll(printed, here), code))
}

/** A stranger has the Node of the machine, not the one that is among our packages. */
const ownPath = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((folder) => !folder.endsWith('node_modules/.bin'))
  .join(delimiter)

type Place = { cwd: string; env?: Record<string, string> | undefined }
export type Terminal = { child: ChildProcess; text: () => string; close(): Promise<void> }

/** A terminal with job control into which a block is pasted; closing it ends all that was started in it. */
export function openTerminal(code: string, { cwd, env = {} }: Place): Terminal {
  const close = `for job in $(jobs -p); do kill -TERM -- "-$job"; done 2>/dev/null; wait`
  const child = spawn('/bin/bash', ['-c', `set -em; trap '${close}' EXIT; trap 'exit 1' TERM\n${code}`], {
    cwd,
    env: { PATH: ownPath, HOME: process.env.HOME ?? '', LC_ALL: 'C.UTF-8', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
  const ended = once(child, 'close')
  return {
    child,
    text: () => text,
    async close() {
      if (child.exitCode === null) child.kill('SIGTERM')
      await ended
    },
  }
}

/** What the block printed. Throws, with what it printed, when a command of it fails. */
export async function paste(code: string, place: Place): Promise<string> {
  const terminal = openTerminal(code, place)
  const [status] = await once(terminal.child, 'close')
  if (status !== 0) throw new Error(`pasted, this ends with ${status}:\n${code}\n${terminal.text()}`)
  return terminal.text()
}

export async function until<T>(what: string, ask: () => Promise<T | undefined>, terminal?: Terminal): Promise<T> {
  const deadline = Date.now() + 20_000
  for (;;) {
    const answer = await ask().catch(() => undefined)
    if (answer !== undefined) return answer
    if (Date.now() > deadline || terminal?.child.exitCode != null)
      throw new Error(`${what} does not come: ${terminal?.text() ?? ''}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
