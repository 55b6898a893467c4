/** The TypeScript verifier answers every vector and every script of sdks/vectors as the verifiers of the other languages must. */

import { afterEach, describe, expect, test, vi } from 'vitest'
import { playScript, playVector, readScripts, readVectors, vectorText } from '../../dev/testing/vectors.ts'
import { scriptFile, vectorFiles, written } from '../../dev/tools/vectors.ts'

afterEach(() => {
  vi.useRealTimers()
})

test.each([...Object.entries(vectorFiles), ['scripts.json', scriptFile] as const])(
  '%s is what npm run vectors writes',
  (name, content) => {
    expect(vectorText(name) === written(content)).toBe(true)
  },
)

test('there are at least 150 vectors, each with a name of its own, of every algorithm and for every reason', () => {
  const vectors = Object.keys(vectorFiles).flatMap((name) => readVectors(name).vectors)
  const scripts = readScripts().scripts
  expect(vectors.length).toBeGreaterThanOrEqual(150)
  const ids = [...vectors, ...scripts].map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  const reasons = new Set(vectors.flatMap(({ expect }) => (expect.ok ? [] : [expect.reason])))
  expect([...reasons].toSorted()).toEqual([
    'algorithm_refused',
    'audience_mismatch',
    'claim_invalid',
    'claim_missing',
    'issuer_mismatch',
    'key_unknown',
    'keys_unavailable',
    'session_ended',
    'signature_invalid',
    'status_unavailable',
    'token_expired',
    'token_malformed',
    'token_missing',
    'token_not_yet_valid',
    'type_mismatch',
  ])
})

describe.each(Object.keys(vectorFiles))('%s:', (name) => {
  const shared = readVectors(name)
  test.each(shared.vectors.map((vector) => [vector.id, vector] as const))('%s', async (_id, vector) => {
    const { outcome, foreign } = await playVector(shared, vector)
    expect(outcome, vector.why).toEqual(vector.expect)
    expect(foreign, 'a URL outside the issuer was fetched').toBe(false)
  })
})

describe('scripts.json:', () => {
  const shared = readScripts()
  test.each(shared.scripts.map((script) => [script.id, script] as const))('%s', async (_id, script) => {
    expect(await playScript(shared, script), script.why).toBeUndefined()
  })
})
