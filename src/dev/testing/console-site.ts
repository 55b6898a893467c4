/** The operators' console for its tests: a gateway on loopback, one Chromium, and visits that are watched for what they must not do. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { expect } from 'vitest'
import { listen } from '../../server/serve/listeners.ts'
import { launchChromium } from './browser.ts'
import { BOSS, consoleTokens } from './console-tokens.ts'
import { startTestGateway, type TestGatewayOptions } from './test-gateway.ts'

const ARTIFACTS = fileURLToPath(new URL('../../../artifacts/console/', import.meta.url))

export type ConsoleVisit = { page: Page; close(): Promise<void> }

export async function startConsole(options: TestGatewayOptions = {}, port = 0) {
  const gateway = await startTestGateway({
    ...options,
    environment: { ADMIN_TOKENS: consoleTokens, ...options.environment },
  })
  const listener = await listen(gateway.internalApp, { host: '127.0.0.1', port })
  const browser = await launchChromium()
  const origin = listener.url.replace('127.0.0.1', 'localhost')

  /** A browser of its own, without JavaScript unless asked. Closing it checks that nothing was asked of anybody else. */
  async function visit(more: BrowserContextOptions = {}, allowed: readonly string[] = []): Promise<ConsoleVisit> {
    const context = await browser.newContext({
      locale: 'zh-CN',
      viewport: { width: 1280, height: 900 },
      javaScriptEnabled: false,
      ...more,
    })
    context.setDefaultTimeout(15_000)
    const strangers: string[] = []
    context.on('request', (request) => {
      if (![origin, ...allowed].includes(new URL(request.url()).origin)) strangers.push(request.url())
    })
    return {
      page: await context.newPage(),
      async close() {
        await context.close()
        expect(strangers).toEqual([])
      },
    }
  }

  async function signIn(page: Page, token = BOSS): Promise<void> {
    await page.goto(`${origin}/console`)
    await page.locator('#token').fill(token)
    await page.locator('main button').click()
  }

  return {
    gateway,
    origin,
    visit,
    signIn,
    async stop() {
      await browser.close()
      await listener.close(0)
      await gateway.close()
    },
  }
}

/** Every finding of axe-core, as rule and place. Through the debugger: the page's policy lets no script in. */
export async function findingsOf(page: Page): Promise<string[]> {
  const debug = await page.context().newCDPSession(page)
  await debug.send('Runtime.evaluate', { expression: axe.source })
  const { result, exceptionDetails } = await debug.send('Runtime.evaluate', {
    expression: `axe.run(document, { resultTypes: ['violations'] }).then(({ violations, passes }) => ({
      passed: passes.length,
      found: violations.flatMap(({ id, nodes }) => nodes.map((node) => id + ': ' + node.target.join(' ') + ' ' + node.failureSummary)),
    }))`,
    awaitPromise: true,
    returnByValue: true,
  })
  await debug.detach()
  if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails))
  const { passed, found } = result.value as { passed: number; found: string[] }
  expect(passed).toBeGreaterThan(10)
  return found
}

export async function consoleShot(page: Page, name: string): Promise<void> {
  mkdirSync(ARTIFACTS, { recursive: true })
  await page.screenshot({ path: join(ARTIFACTS, `${name}.png`), fullPage: true })
}
