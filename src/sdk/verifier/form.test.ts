/** The form of a token against other ways to say the same: what is one spelling, and what is I-JSON. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readForm } from './form.ts'

const encode = (text: string): string => Buffer.from(text).toString('base64url')
const accepts = (token: string): boolean => {
  try {
    readForm(token)
    return true
  } catch {
    return false
  }
}

test('a part is accepted in the one spelling that encoding gives, whatever stands at its end', () => {
  const letters = fc.string({ unit: fc.constantFrom(...'AQgwEIMUYcko048Bz9-_=+/ \n'), maxLength: 12 })
  fc.assert(
    fc.property(letters, (signature) => {
      const again = Buffer.from(signature, 'base64url').toString('base64url')
      expect(accepts(`e30.e30.${signature}`)).toBe(again === signature)
    }),
    { numRuns: 2000 },
  )
})

test('what JSON.stringify writes of a value without unpaired surrogates is read back as it was', () => {
  const value = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ stringUnit: 'grapheme' }), { maxKeys: 5 })
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 1, '\t'), (payload, space) => {
      const text = JSON.stringify(payload, null, space)
      expect(JSON.stringify(readForm(`e30.${encode(text)}.AA`))).toBe(JSON.stringify(JSON.parse(text)))
    }),
  )
})

test('a member given twice is refused wherever it stands', () => {
  const inside = fc.constantFrom('', '"x":1,', '"y":{"a":1},', '"z":[{"a":":"}],')
  fc.assert(
    fc.property(inside, inside, fc.constantFrom('"a":1', '"\\u0061":1', '"a" : {}'), (before, between, again) => {
      expect(accepts(`e30.${encode(`{${before}"a":0,${between}"b":0}`)}.AA`)).toBe(before === '' || before !== between)
      expect(accepts(`e30.${encode(`{${before}"a":0,${between}${again}}`)}.AA`)).toBe(false)
    }),
  )
})
