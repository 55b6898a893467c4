import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { filled, PAGE, readData } from './report-docs.ts'

const profile = {
  kind: 'profile',
  at: '2026-01-02T03:04:05.678Z',
  machine: { node: 'v24.0.0', cpu: 'a CPU', cores: 4, memoryGigabytes: 16 },
  connections: 256,
  requests: 1000,
  seconds: 1,
  busy: 0.5,
  owners: [{ owner: 'undici', share: 1 }],
} as const

test('the page shows what the kept results say, and nothing else', () => {
  const page = readFileSync(PAGE, 'utf8')
  expect(page).toContain('<!-- bench scale -->')
  expect(filled(page, readData())).toBe(page)
})

test('a block is made anew from its own result, and only between its marks', () => {
  const page =
    'before\n<!-- bench profile -->\nold\n<!-- /bench -->\nbetween\n<!-- bench scale -->\nold\n<!-- /bench -->\nafter'
  const made = filled(page, { profile: { ...profile, owners: [...profile.owners] } })
  expect(made).not.toContain('old')
  expect(made).toMatch(/^before\n<!-- bench profile -->\nMeasured 2026-01-02 03:04 UTC on 4 cores of a CPU/)
  expect(made).toMatch(/undici +100\.0 +500\n/)
  expect(made).toMatch(/between\n<!-- bench scale -->\n\*Not measured yet\.\*\n<!-- \/bench -->\nafter$/)
})

test('a mark that no result belongs to is an error', () => {
  expect(() => filled('<!-- bench speed -->\n<!-- /bench -->', {})).toThrow('speed')
})
