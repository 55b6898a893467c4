/** What the playground's tests share: `npm run dev` on ports of its own, one Chromium, and visits that are watched for what they must not do. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { expect, inject } from 'vitest'
import { freePort } from '../services/service.ts'

const PROGRAM = fileURLToPath(new URL('../main.ts', import.meta.url))
const ARTIFACTS = fileURLToPath(new URL('../../../artifacts/playground/', import.meta.url))
const STATUS_LIST_TTL_SECONDS = 2
/** Started as root, in a container: no sandbox, no GPU, and nothing that Chromium does on its own account. */
const FLAGS =
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'

export type Visit = { page: Page; close(): Promise<void> }

export async function startPlayground() {
  const [port, adminPort, wechatPort] = [await freePort(), await freePort(), await freePort()]
  const data = mkdtempSync(join(tmpdir(), 'gateway-playground-'))
  const args = ['--port', port, '--admin-port', adminPort, '--wechat-port', wechatPort, '--data', data].map(String)
  const server = spawn(process.execPath, [PROGRAM, ...args], {
    env: {
      ...process.env,
      NODE_ENV: 'test',
      STATUS_LIST_TTL_SECONDS: String(STATUS_LIST_TTL_SECONDS),
      // The whole suite is one person at one address, in a minute.
      RATE_LIMIT: 'off',
    },
  })
  const origin = `http://localhost:${port}`
  let browser: Browser | undefined
  async function stop(): Promise<void> {
    await browser?.close()
    if (server.exitCode === null && server.kill('SIGTERM')) await once(server, 'exit')
    rmSync(data, { recursive: true, force: true })
  }
  try {
    await welcome(server)
    browser = await launchChromium()
  } catch (error) {
    await stop()
    throw error
  }
  const started = browser

  /** A new visitor with an empty phone. Closing it checks that nothing was asked of anybody else and nothing went wrong in the page. */
  async function visit(options: BrowserContextOptions = {}, friends: string[] = []): Promise<Visit> {
    const context = await started.newContext({ locale: 'zh-CN', viewport: { width: 1440, height: 1000 }, ...options })
    context.setDefaultTimeout(10_000)
    const strangers: string[] = []
    const complaints: string[] = []
    context.on('request', (request) => {
      const asked = new URL(request.url())
      // A picture in the page itself is asked of nobody.
      if (asked.protocol === 'data:' || [origin, ...friends].includes(asked.origin)) return
      strangers.push(request.url())
    })
    const page = await context.newPage()
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('console', (message) => {
      // Refused requests are what the faults are for; Chromium reports them as errors.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        complaints.push(message.text())
      }
    })
    await page.goto(`${origin}/`)
    await ready(page)
    return {
      page,
      async close() {
        await context.close()
        expect({ strangers, complaints }).toEqual({ strangers: [], complaints: [] })
      },
    }
  }

  const internal = `http://localhost:${adminPort}`
  return { origin, internal, visit, stop, promisedSeconds: STATUS_LIST_TTL_SECONDS + 5 }
}

export const launchChromium = (): Promise<Browser> =>
  chromium.launch({ executablePath: inject('chromium'), args: FLAGS.split(' ') })

export const ready = (page: Page) => page.locator('html[data-ready]').waitFor({ state: 'attached' })

/** What the phone shows, as soon as it shows it. */
export const phoneSays = (page: Page, text: string) => page.locator('#message', { hasText: text }).waitFor()
export const phoneFails = (page: Page, text: string) => page.locator('#failure', { hasText: text }).waitFor()

/** The calls of the timeline, oldest first, as `POST /api/login 200`. */
export async function calls(page: Page, from: 'phone' | 'gateway' | 'verifier'): Promise<string[]> {
  // In one look: an entry that comes in between would move the others, since the newest stands first.
  const shown = await page.locator(`#timeline .by-${from} summary`).evaluateAll((entries) =>
    entries.map((entry) => {
      const text = (part: string) => entry.querySelector(part)?.textContent ?? ''
      return `${text('.call')} ${text('.status')}`
    }),
  )
  return shown.reverse()
}

export async function screenshot(page: Page, name: string, fullPage = true): Promise<void> {
  mkdirSync(ARTIFACTS, { recursive: true })
  await page.screenshot({ path: join(ARTIFACTS, `${name}.png`), fullPage })
}

/** The page in each theme and at each width, without another visit. */
export async function* windows(page: Page) {
  for (const colorScheme of ['light', 'dark'] as const)
    for (const [width, height] of [
      [1280, 900],
      [390, 844],
    ] as const) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width, height })
      yield { colorScheme, width }
    }
}

/** axe-core's findings of impact serious or critical, as rule and place. Through the debugger: the page's policy lets no script in. */
export async function seriousFindings(page: Page): Promise<string[]> {
  const debug = await page.context().newCDPSession(page)
  await debug.send('Runtime.evaluate', { expression: axe.source })
  const { result, exceptionDetails } = await debug.send('Runtime.evaluate', {
    expression: `axe.run(document, { resultTypes: ['violations'] }).then(({ violations, passes }) => ({
      passed: passes.length,
      serious: violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, nodes }) => nodes.map((node) => id + ': ' + node.target.join(' ') + ' ' + node.failureSummary)),
    }))`,
    awaitPromise: true,
    returnByValue: true,
  })
  await debug.detach()
  if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails))
  const { passed, serious } = result.value as { passed: number; serious: string[] }
  // A page that was looked at.
  expect(passed).toBeGreaterThan(8)
  return serious
}

/** The server's last word before it is used. */
async function welcome(server: ChildProcess): Promise<void> {
  let output = ''
  await new Promise<void>((resolve, reject) => {
    const heard = (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes('Playground')) resolve()
    }
    server.stdout?.on('data', heard)
    server.stderr?.on('data', heard)
    server.once('exit', (code) => reject(new Error(`npm run dev ended with ${code}: ${output}`)))
  })
}
