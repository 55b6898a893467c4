/** docs/security.md promises by naming tests: each must be there under the very name. */
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const page = readFileSync('docs/security.md', 'utf8')
const rows = page
  .split('\n')
  .filter((line) => /^\| (?!id |class |requirement |-)/.test(line) && !line.startsWith('|---'))

test('every row of docs/security.md names its tests', () => {
  expect(rows.length).toBeGreaterThan(30)
  for (const row of rows) expect(row).toMatch(/`src\/[\w./-]+\.test\.ts` "[^"]+"/)
})

test('every test that docs/security.md names is there', () => {
  const named = [...page.matchAll(/`([^`]+\.test\.ts)` "([^"]+)"/g)]
  const missing = named.filter(
    ([, file = '', name = '']) => !existsSync(file) || !readFileSync(file, 'utf8').includes(name),
  )
  expect(missing.map(([text]) => text)).toEqual([])
})
