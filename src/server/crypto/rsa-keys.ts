/** RSA keys in the forms that platforms hand out: PEM, or the bare base64 of what a PEM holds. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'

const MIN_BITS = 2048

/** PKCS#8 or PKCS#1, at least 2048 bits; undefined for anything else. */
export function readRsaPrivateKey(text: string): KeyObject | undefined {
  if (text.includes('-----BEGIN')) return strongRsa(() => createPrivateKey(text))
  const key = Buffer.from(text, 'base64')
  return (
    strongRsa(() => createPrivateKey({ key, format: 'der', type: 'pkcs8' })) ??
    strongRsa(() => createPrivateKey({ key, format: 'der', type: 'pkcs1' }))
  )
}

/** SubjectPublicKeyInfo, at least 2048 bits; undefined for anything else, a private key included. */
export function readRsaPublicKey(text: string): KeyObject | undefined {
  // Node would take the public half out of a private key, which has no business where a public key is asked for.
  if (text.includes('PRIVATE KEY')) return undefined
  if (text.includes('-----BEGIN')) return strongRsa(() => createPublicKey(text))
  return strongRsa(() => createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' }))
}

/** Whether the public key is the other half of the private one. */
export const isPair = (own: KeyObject, other: KeyObject): boolean => createPublicKey(own).equals(other)

function strongRsa(read: () => KeyObject): KeyObject | undefined {
  try {
    const key = read()
    return key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_BITS
      ? key
      : undefined
  } catch {
    return undefined
  }
}
