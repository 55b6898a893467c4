/** The configuration pages against the schema they are made from. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { environmentSchema } from '../../server/config/environment.ts'
import { configurationPages } from './configuration-docs.ts'
import { meanings } from './configuration-meanings.zh-CN.ts'

test.each(Object.entries(configurationPages()))(
  '%s says what the schema says; `npm run docs` mends it',
  (file, page) => {
    expect(readFileSync(file, 'utf8')).toBe(page)
  },
)

test('every variable is described', () => {
  for (const [name, schema] of Object.entries(environmentSchema.shape)) expect(schema.description, name).toBeTruthy()
})

test('every variable is described in Chinese, and no other', () => {
  expect(Object.keys(meanings)).toEqual(Object.keys(environmentSchema.shape))
  for (const [name, meaning] of Object.entries(meanings))
    expect(meaning, name).toMatch(/[\u4e00-\u9fff].*。$|^PostgreSQL。$/)
})

/** Codes, numbers and names are the same in any language. */
const facts = (text: string) => [...text.matchAll(/`[^`]+`/g)].map(([code]) => code).sort()

test('the Chinese meaning of a variable names the same values as the English one', () => {
  for (const [name, schema] of Object.entries(environmentSchema.shape)) {
    expect(facts(meanings[name as keyof typeof meanings]), name).toEqual(facts(schema.description ?? ''))
  }
})
