/** The benchmark itself: every part of it starts, is answered as it should be and prints its table. What it measures here says nothing. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('a run of a moment asks the gateway and both floors, without a refused or broken request', {
  timeout: 300_000,
}, () => {
  const moment = '--quick --no-save --seconds 0.3 --users 100 --only login,refresh,jwks,waiting'
  const file = fileURLToPath(new URL('main.ts', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...moment.split(' ')], { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  for (const name of ['gateway', 'bare', 'batched']) expect(stdout).toMatch(new RegExp(`^${name} +\\d`, 'm'))
  const lines = [
    'login, 256 connections',
    'refresh, 64 connections',
    'JWKS, 64 connections',
    'while 256 connections log in',
  ]
  for (const text of lines) expect(stdout).toContain(text)
  // A goal of each kind was weighed, met or not.
  for (const what of ['login, 256 connections: speed', 'JWKS: speed', 'refresh p99 while', 'open arrivals'])
    expect(stdout).toMatch(new RegExp(`${what}.* (met|MISSED)$`, 'm'))
})
