/** Vitest's global setup for the tests in a browser: the distribution's Chromium, installed where it may be, never silently left out. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    chromium: string
  }
}

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

export function setup(project: Pick<TestProject, 'provide'>): void {
  project.provide('chromium', find() ?? install())
}

const find = () => [process.env.TEST_CHROMIUM, ...PLACES].find((path) => path !== undefined && existsSync(path))

function install(): string {
  if (process.getuid?.() === 0) {
    apt('update')
    // A font for Chinese too: without one the screenshots are rows of boxes.
    apt('install', '-y', '--no-install-recommends', 'chromium', 'fonts-wqy-zenhei')
  }
  const path = find()
  if (path === undefined) throw new Error('no Chromium: install it, or set TEST_CHROMIUM to its path')
  return path
}

function apt(...args: string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status, stderr } = spawnSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], { env })
  if (status !== 0) throw new Error(`apt-get ${args[0]} failed: ${stderr}`)
}
