/** WeChat's phone_info, which getPhoneNumber answers and the phone button's encryptedData holds, as one E.164 number. */

/** `+` and at most 15 digits (ITU-T E.164 section 6); undefined when the value is no phone_info. */
export function readPhoneInfo(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { countryCode, purePhoneNumber } = value as Record<string, unknown>
  // Documented as a string, a number in the sample (api_getphonenumber).
  if (typeof purePhoneNumber !== 'string' || !['string', 'number'].includes(typeof countryCode)) return undefined
  const phone = `+${countryCode}${purePhoneNumber}`
  return /^\+[1-9]\d{6,14}$/.test(phone) ? phone : undefined
}
