/** Which phone_info is a phone number. */
import { expect, test } from 'vitest'
import { readPhoneInfo } from './phone-info.ts'

test.each([
  [{ phoneNumber: '13800138000', purePhoneNumber: '13800138000', countryCode: '86' }, '+8613800138000'],
  [{ phoneNumber: '13800138000', purePhoneNumber: '13800138000', countryCode: 86 }, '+8613800138000'],
  [{ phoneNumber: '+85291234567', purePhoneNumber: '91234567', countryCode: '852' }, '+85291234567'],
])('a phone_info, its country code text or number, becomes one E.164 number', (info, phone) => {
  expect(readPhoneInfo(info)).toBe(phone)
})

test.each([
  [undefined],
  [{ purePhoneNumber: '138001380001234', countryCode: '86' }],
  [{ purePhoneNumber: '91234567', countryCode: {} }],
  [{ purePhoneNumber: '', countryCode: '86' }],
])('what is no phone number is not taken for one: %j', (info) => {
  expect(readPhoneInfo(info)).toBeUndefined()
})

test.each<[object, string | undefined]>([
  [{ countryCode: '+852', purePhoneNumber: '91234567' }, '+85291234567'],
  [{ countryCode: '00852', purePhoneNumber: '91234567' }, '+85291234567'],
  [{ countryCode: ' 86 ', purePhoneNumber: '138 1234-5678' }, '+8613812345678'],
  [{ countryCode: '44', purePhoneNumber: '07911 123456' }, '+447911123456'],
  [{ countryCode: '39', purePhoneNumber: '0612345678' }, '+390612345678'],
  [{ countryCode: '86', purePhoneNumber: '+8613812345678' }, '+8613812345678'],
  [{ countryCode: '', purePhoneNumber: '91234567', phoneNumber: '+85291234567' }, '+85291234567'],
  [{ countryCode: '', purePhoneNumber: '13812345678', phoneNumber: '13812345678' }, '+8613812345678'],
  [{ purePhoneNumber: '13812345678' }, '+8613812345678'],
  [{ countryCode: '', purePhoneNumber: '91234567', phoneNumber: '91234567' }, undefined],
  [{ countryCode: 'HK', purePhoneNumber: '91234567' }, undefined],
  [{ countryCode: '86', purePhoneNumber: '' }, undefined],
  [{ countryCode: '86', purePhoneNumber: '1381234abcd' }, undefined],
])('a number of an odd form, %j, is the number it means or none', (info, phone) => {
  expect(readPhoneInfo(info)).toBe(phone)
})
