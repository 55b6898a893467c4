/** WeChat's phone_info, which getPhoneNumber answers and the phone button's encryptedData holds, as one E.164 number. */

const digits = (value: unknown): string =>
  ['string', 'number'].includes(typeof value) ? String(value).replaceAll(/[\s\-().\u00a0]/g, '') : ''

/** `+` and at most 15 digits (ITU-T E.164 section 6); undefined when the value is no phone_info. */
export function readPhoneInfo(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { countryCode, purePhoneNumber, phoneNumber } = value as Record<string, unknown>
  // Documented as a string, a number in the sample (api_getphonenumber); seen as `+852` and `00852` too.
  const country = digits(countryCode).replace(/^(\+|00)/, '')
  const pure = digits(purePhoneNumber)
  const whole = /^(?:\+|00)(\d+)$/
  const [, international = undefined] =
    whole.exec(pure) ?? (country === '' ? whole.exec(digits(phoneNumber)) : null) ?? []
  const phone = `+${international ?? nationalOf(country, pure)}`
  return /^\+[1-9]\d{6,14}$/.test(phone) ? phone : undefined
}

/** With its country. The leading 0 is dialled inside a country alone; Italy keeps it (ITU-T E.164 annex). */
function nationalOf(country: string, pure: string): string {
  // Without a country only a mobile number of China has a form of its own.
  if (country === '') return /^1\d{10}$/.test(pure) ? `86${pure}` : ''
  return /^[1-9]\d{0,3}$/.test(country) ? `${country}${country === '39' ? pure : pure.replace(/^0/, '')}` : ''
}
