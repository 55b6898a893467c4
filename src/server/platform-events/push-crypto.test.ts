/** The vectors that WeChat publishes for its message push, and what must not open. */
import { createCipheriv } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { encryptPush } from '../../dev/simulator/wechat-crypto.ts'
import { isSignature, keyOf, openMessage, signatureOf } from './push-crypto.ts'

const TOKEN = 'AAAAA'
const KEY = 'A'.repeat(43)
const APPID = 'wxba5fad812f8e6fb9'
const ENCRYPT =
  '+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04='
const MESSAGE =
  '{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY","CreateTime":1714112445,"MsgType":"event","Event":"debug_demo","debug_str":"hello world"}'

describe("WeChat's published vectors", () => {
  test.each([
    ['the handshake', ['1714036504', '1514711492'], 'f464b24fc39322e44b38aa78f5edd27bd1441696'],
    ['a plain push', ['1714037059', '486452656'], '899cf89e464efb63f54ddac96b0a0a235f53aa78'],
    ['a push in secure mode', ['1714112445', '415670741', ENCRYPT], '046e02f8204d34f8ba5fa3b1db94908f3df2e9b3'],
  ])('the signature of %s fits', (_what, texts, signature) => {
    expect(signatureOf(TOKEN, ...texts)).toBe(signature)
    expect(isSignature(signature, TOKEN, ...texts)).toBe(true)
    expect(isSignature(signature, 'AAAAB', ...texts)).toBe(false)
    expect(isSignature(signature.slice(1), TOKEN, ...texts)).toBe(false)
    expect(isSignature(undefined, TOKEN, ...texts)).toBe(false)
  })

  test('the push in secure mode opens to its message', () => {
    expect(openMessage(KEY, ENCRYPT, APPID)).toEqual({ message: MESSAGE })
  })

  test('the simulator encrypts it to the very same text', () => {
    const random = Buffer.from('a8eedb185eb2fecf')
    expect(encryptPush(MESSAGE, { encodingAesKey: KEY, appid: APPID, random })).toBe(ENCRYPT)
  })
})

describe('a message does not open', () => {
  test('for another app, or one whose name only begins or ends alike', () => {
    for (const appid of ['wxba5fad812f8e6fb8', `${APPID}1`, APPID.slice(0, -1), APPID.slice(1), ''])
      expect(openMessage(KEY, ENCRYPT, appid)).toBe('other_app')
  })

  test('with another key', () => {
    expect(openMessage(`B${KEY.slice(1)}`, ENCRYPT, APPID)).toBe('undecipherable')
  })

  test.each([
    ['nothing', ''],
    ['half a block', 'AAAA'],
    ['no base64', '!!!!'],
    ['a block cut off', Buffer.from(ENCRYPT, 'base64').subarray(0, -16).toString('base64')],
    ['one block', Buffer.alloc(16).toString('base64')],
    ['noise', Buffer.alloc(256, 7).toString('base64')],
  ])('that is %s', (_what, encrypted) => {
    expect(openMessage(KEY, encrypted, APPID)).toBe('undecipherable')
  })

  test('whatever its padding, every message comes back as it was', () => {
    for (let length = 0; length < 70; length += 1) {
      const message = 'e'.repeat(length)
      const encrypted = encryptPush(message, { encodingAesKey: KEY, appid: APPID })
      expect(openMessage(KEY, encrypted, APPID)).toEqual({ message })
    }
  })

  /** As WeChat's, but for the padding, which is given, and for the length, which may lie. */
  function encrypt(message: Buffer | string, { appid = APPID, padding = 0, length = Buffer.byteLength(message) } = {}) {
    const size = Buffer.alloc(4)
    size.writeUInt32BE(length)
    return encryptBytes(Buffer.concat([Buffer.alloc(16, 9), size, Buffer.from(message), Buffer.from(appid)]), padding)
  }
  function encryptBytes(bytes: Buffer, padding = 0): string {
    const count = padding || 32 - (bytes.length % 32)
    const cipher = createCipheriv('aes-256-cbc', keyOf(KEY), keyOf(KEY).subarray(0, 16)).setAutoPadding(false)
    return Buffer.concat([cipher.update(bytes), cipher.update(Buffer.alloc(count, count)), cipher.final()]).toString(
      'base64',
    )
  }

  test('whose padding is longer than a block of 32 bytes', () => {
    // 16 + 4 + 10 + 18 bytes.
    expect(openMessage(KEY, encrypt('0123456789', { padding: 16 }), APPID)).toEqual({ message: '0123456789' })
    for (const padding of [48, 64, 240])
      expect(openMessage(KEY, encrypt('0123456789', { padding }), APPID)).toBe('undecipherable')
  })

  test('that says of itself to be longer than it is', () => {
    for (const length of [29, 1000, 0xffffffff])
      expect([length, openMessage(KEY, encrypt('0123456789', { length }), APPID)]).toEqual([length, 'undecipherable'])
  })

  test('that is for no app, or has no room for its length', () => {
    expect(openMessage(KEY, encrypt('', { appid: '' }), APPID)).toBe('other_app')
    expect(openMessage(KEY, encrypt('0123456789', { appid: '' }), APPID)).toBe('other_app')
    expect(openMessage(KEY, encryptBytes(Buffer.alloc(19)), APPID)).toBe('undecipherable')
    expect(openMessage(KEY, encryptBytes(Buffer.alloc(0)), APPID)).toBe('undecipherable')
  })

  test('that is no UTF-8', () => {
    expect(openMessage(KEY, encrypt(Buffer.from([0x7b, 0xff, 0x7d])), APPID)).toBe('undecipherable')
  })
})
