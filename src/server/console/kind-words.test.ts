/** Every kind of audit event has a name in both languages. */
import { expect, test } from 'vitest'
import { auditKinds } from '../audit/audit.ts'
import { kindWords } from './kind-words.ts'

test.each(['zh', 'en'] as const)('every kind of audit event has a name in %s', (language) => {
  expect(auditKinds.filter((kind) => kindWords[language][kind] === undefined)).toEqual([])
})
