/** The configuration page against the schema it is made from. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { environmentSchema } from '../config-environment.ts'
import { configurationPage } from './configuration-docs.ts'

test('docs/configuration.md says what the schema says; `npm run docs` mends it', () => {
  expect(readFileSync('docs/configuration.md', 'utf8')).toBe(configurationPage())
})

test('every variable is described', () => {
  for (const [name, schema] of Object.entries(environmentSchema.shape)) expect(schema.description, name).toBeTruthy()
})
