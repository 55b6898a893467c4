/** docs/security.md promises by naming tests, in either language: each must be there under the very name. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const rowsOf = (page: string) =>
  page
    .split('\n')
    .filter((line) => /^\| (?!id |class |requirement |编号 |漏洞类别 |-)/.test(line) && !line.startsWith('|---'))

const testsOf = (page: string) =>
  [...page.matchAll(/`([^`]+\.test\.ts)` "([^"]+)"/g)].map(([text, file = '', name = '']) => ({ text, file, name }))

const [english = '', chinese = ''] = ['docs/security.md', 'docs/security.zh-CN.md'].map((file) =>
  readFileSync(file, 'utf8'),
)

describe.each([
  ['docs/security.md', english],
  ['docs/security.zh-CN.md', chinese],
])('%s', (_, page) => {
  test('names the tests of every row', () => {
    const rows = rowsOf(page)
    expect(rows.length).toBeGreaterThan(30)
    for (const row of rows) expect(row).toMatch(/`src\/[\w./-]+\.test\.ts` "[^"]+"/)
  })

  test('names only tests that are there', () => {
    const missing = testsOf(page).filter(
      ({ file, name }) => !existsSync(file) || !readFileSync(file, 'utf8').includes(name),
    )
    expect(missing.map(({ text }) => text)).toEqual([])
  })
})

test('the pages name the same tests, row by row', () => {
  const named = (page: string) => rowsOf(page).map((row) => testsOf(row).map(({ text }) => text))
  expect(named(chinese)).toEqual(named(english))
})
