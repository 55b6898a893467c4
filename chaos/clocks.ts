/** A replica whose clock jumps by minutes or weeks while it runs: it says so, signs nothing, takes no key away, and is well once the clock is. */

import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { Random } from './random.ts'
import type { Replica, Site } from './site.ts'

/** What Debian's package libfaketime and Homebrew's install. */
const LIBRARIES = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map((abi) => `/usr/lib/${abi}/faketime/libfaketimeMT.so.1`)
/** The library looks at its file once a second. */
const TAKES_EFFECT_MS = 1000
/** Then the balancer's next check, on a busy machine. */
const NOTICED_WITHIN_MS = 6000
const MINUTES = 120
const WEEKS = 3 * 7 * 86_400
const TOLERANCE_SECONDS = 5

/** A clock of its own for a process: what to start it with, and how to set it. */
export type OwnClock = { environment: Record<string, string>; set(aheadSeconds: number): void }

export function createOwnClock(folder: string): OwnClock {
  const library = LIBRARIES.find((file) => existsSync(file))
  if (!library) throw new Error('no libfaketime: wrong clocks need the package libfaketime (Debian)')
  const file = join(folder, 'clock')
  const set = (aheadSeconds: number) =>
    writeFileSync(file, `${aheadSeconds < 0 ? '' : '+'}${Math.round(aheadSeconds)}\n`)
  set(0)
  return {
    environment: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: String(TAKES_EFFECT_MS / 1000),
      // Steps of the wall clock are what happens in life; the monotonic one never steps.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    },
    set,
  }
}

export type WrongClockParts = {
  site: Site
  replica: Replica
  random: Random
  forMs: number
  onViolation: (what: string) => void
  /** How many lines of its log have named its clock. */
  clockAlerts: (replica: Replica) => number
}

export async function setClockWrong(parts: WrongClockParts): Promise<void> {
  const { site, replica, random, forMs, onViolation, clockAlerts } = parts
  const seconds = (random.chance(0.5) ? 1 : -1) * Math.round(MINUTES * (WEEKS / MINUTES) ** random.next())
  const code = `dev:clock:${random.whole(2 ** 31)}`
  const wrong = (what: string) => onViolation(`${replica.name}, its clock ${seconds} s ahead: ${what}`)
  const keysBefore = await signingKeys(site)
  const alertsBefore = clockAlerts(replica)
  replica.clock?.set(seconds)
  try {
    const checks: Record<string, () => Promise<boolean>> = {
      'readyz does not say so': async () => {
        const { status, text } = await ask(`${replica.adminUrl}/readyz`)
        return status === 503 && text.includes('the clock of this replica is')
      },
      'gateway_clock_skew_seconds does not say so': async () => {
        const { text } = await ask(`${replica.adminUrl}/metrics`)
        return Math.abs(Number(/^gateway_clock_skew_seconds (\S+)$/m.exec(text)?.[1]) - seconds) < TOLERANCE_SECONDS
      },
      'no line of its log names the clock': async () => clockAlerts(replica) > alertsBefore,
      'a login is not answered with 503 B0320': async () => {
        const { status, text } = await ask(`${replica.url}/api/login`, { code })
        return status === 503 && text.startsWith('{"code":"B0320"')
      },
    }
    for (const [what, holds] of Object.entries(checks)) if (!(await comesTrue(holds))) wrong(what)
    await sleep(forMs)
    const kids = await signingKeys(site, 100)
    const gone = keysBefore.filter((kid) => !kids.includes(kid))
    if (gone.length > 0) wrong(`signing keys are gone: ${gone.join(', ')}`)
  } finally {
    replica.clock?.set(0)
  }
}

async function comesTrue(holds: () => Promise<boolean>): Promise<boolean> {
  for (const until = performance.now() + NOTICED_WITHIN_MS; performance.now() < until; await sleep(100)) {
    if (await holds().catch(() => false)) return true
  }
  return false
}

/** The newest ones: the key that signs and the one that is to sign next. Older ones go in their time. */
async function signingKeys({ postgres }: Site, newest = 2): Promise<string[]> {
  const client = new Client({ connectionString: postgres.url })
  await client.connect()
  try {
    const text = 'select kid from signing_keys where retired_at is null order by generation desc limit $1'
    const { rows } = await client.query<{ kid: string }>(text, [newest])
    return rows.map(({ kid }) => kid)
  } finally {
    await client.end()
  }
}

async function ask(url: string, body?: object): Promise<{ status: number; text: string }> {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const reply = await fetch(url, { ...(body ? post : {}), signal: AbortSignal.timeout(3000) })
  return { status: reply.status, text: await reply.text() }
}
