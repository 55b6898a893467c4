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
  [{ purePhoneNumber: '13800138000' }],
  [{ purePhoneNumber: '1380013 8000', countryCode: '86' }],
  [{ purePhoneNumber: '138001380001234', countryCode: '86' }],
  [{ purePhoneNumber: 13800138000, countryCode: '86' }],
  [{ purePhoneNumber: '91234567', countryCode: {} }],
  [{ purePhoneNumber: '', countryCode: '86' }],
])('what is no phone number is not taken for one: %j', (info) => {
  expect(readPhoneInfo(info)).toBeUndefined()
})
