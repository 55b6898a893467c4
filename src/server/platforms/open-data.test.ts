/** Signed and encrypted user data: the published vectors, and everything that only looks like them. */
import { createCipheriv } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { checkSignature, openEncryptedData, signWithSessionKey } from './open-data.ts'

/** developers.weixin.qq.com, framework/open-ability/signature: the example of the page. */
const A = {
  sessionKey: 'HyVFkGl5F5OQWJZZaNzBBg==',
  rawData:
    '{"nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong","country":"CN","avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/1vZvI39NWFQ9XM4LtQpFrQJ1xlgZxx3w7bQxKARol6503Iuswjjn6nIGBiaycAjAtpujxyzYsrztuuICqIM5ibXQ/0"}',
  signature: '75e81ceda165f4ffa64f4068af58c64b8f54b88c',
}
/** The official aes-sample. */
const B = {
  appid: 'wx4f4bc4dec97d474b',
  sessionKey: 'tiihtNczf5v6AKRyjwEUhQ==',
  iv: 'r7BXXKkLb8qrSNn05n0qiA==',
  encryptedData:
    'CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOyuxINew==',
  timestamp: 1_477_314_187,
}
/** Minigame http-signature page; the empty body is computed here with the same key. */
const C = {
  sessionKey: 'o0q0otL8aEzpcZL/FT9WsQ==',
  signatures: {
    '{"foo":"bar"}': '654571f79995b2ce1e149e53c0a33dc39c0a74090db514261454e8dbe432aa0b',
    '': '46e043c5525c2d817c44be603d30837a808a1d930d038f6fdc3e62a201fed128',
  },
}

describe('vector A: rawData and its signature', () => {
  test('fits', () => {
    expect(() => checkSignature(A.rawData, A.signature, A.sessionKey)).not.toThrow()
  })

  test.each<[string, string, string, string]>([
    ['one changed byte', A.rawData.replace('Band', 'Bend'), A.signature, A.sessionKey],
    ['a space more', `${A.rawData} `, A.signature, A.sessionKey],
    ['another key', A.rawData, A.signature, B.sessionKey],
    ['another signature', A.rawData, A.signature.replace('7', '8'), A.sessionKey],
    ['a truncated signature', A.rawData, A.signature.slice(0, 38), A.sessionKey],
    ['a signature with something behind it', A.rawData, `${A.signature}zz`, A.sessionKey],
    ['a signature with something before it', A.rawData, `zz${A.signature}`, A.sessionKey],
    ['no signature', A.rawData, '', A.sessionKey],
  ])('%s is refused', (_what, rawData, signature, sessionKey) => {
    expect(() => checkSignature(rawData, signature, sessionKey)).toThrow(/signature/)
  })
})

test.each(Object.entries(C.signatures))(
  'vector C: the login state of body %s is signed with the text of the key',
  (body, signature) => {
    expect(signWithSessionKey(body, C.sessionKey)).toBe(signature)
  },
)

const checks = { sessionKey: B.sessionKey, appid: B.appid, now: new Date(B.timestamp * 1000), maxAgeSeconds: 600 }

describe('vector B: encryptedData', () => {
  test('opens to the published plaintext', () => {
    expect(openEncryptedData(B, checks)).toMatchObject({
      openId: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE',
      nickName: 'Band',
      unionId: 'ocMvos6NjeKLIBqg5Mr9QjxrP1FA',
      watermark: { timestamp: B.timestamp, appid: B.appid },
    })
  })

  const aged = (seconds: number) => ({ ...checks, now: new Date((B.timestamp + seconds) * 1000) })
  test('may be as old as it is said and a minute ahead, and no more', () => {
    for (const seconds of [0, 600, -60]) expect(() => openEncryptedData(B, aged(seconds))).not.toThrow()
    for (const seconds of [601, -61]) expect(() => openEncryptedData(B, aged(seconds))).toThrow(/watermark_age/)
  })

  test.each<[string, Partial<typeof B>, Partial<typeof checks>, RegExp]>([
    ["another app's", {}, { appid: 'wx0000000000000001' }, /watermark_appid/],
    ['under another key', {}, { sessionKey: A.sessionKey }, /undecipherable/],
    ['under a key of odd length', {}, { sessionKey: 'tiihtNczf5v6AKRyjwEU' }, /undecipherable/],
    ['with another iv', { iv: A.sessionKey }, {}, /undecipherable|watermark/],
    ['with a short iv', { iv: 'AAAA' }, {}, /undecipherable/],
    [
      'truncated by a block',
      { encryptedData: Buffer.from(B.encryptedData, 'base64').subarray(0, -16).toString('base64') },
      {},
      /undecipherable/,
    ],
    ['truncated by a character', { encryptedData: B.encryptedData.slice(0, -4) }, {}, /undecipherable/],
    ['with "+" turned into a space', { encryptedData: B.encryptedData.replaceAll('+', ' ') }, {}, /undecipherable/],
    ['with a bad last block', { encryptedData: `${B.encryptedData.slice(0, -8)}AAAAAA==` }, {}, /undecipherable/],
    ['with a line break behind it', { encryptedData: `${B.encryptedData}\n` }, {}, /undecipherable/],
    ['with a blank before it', { encryptedData: ` ${B.encryptedData}` }, {}, /undecipherable/],
    ['in base64url', { encryptedData: B.encryptedData.replaceAll('+', '-') }, {}, /undecipherable/],
    ['with a blank behind its iv', { iv: `${B.iv} ` }, {}, /undecipherable/],
    ['with a blank before its iv', { iv: ` ${B.iv}` }, {}, /undecipherable/],
    ['empty', { encryptedData: '' }, {}, /undecipherable/],
    ['hex', { encryptedData: Buffer.from(B.encryptedData, 'base64').toString('hex') }, {}, /undecipherable/],
  ])('%s is refused', (_what, data, other, reason) => {
    expect(() => openEncryptedData({ ...B, ...data }, { ...checks, ...other })).toThrow(reason)
  })
})

describe('plaintexts of our own making', () => {
  function encrypt(plaintext: string | Buffer, keyBytes = 16) {
    const key = Buffer.alloc(keyBytes, 3)
    const cipher = createCipheriv(`aes-${keyBytes * 8}-cbc`, key, Buffer.alloc(16, 4))
    return {
      sessionKey: key.toString('base64'),
      iv: Buffer.alloc(16, 4).toString('base64'),
      encryptedData: Buffer.concat([cipher.update(plaintext), cipher.final()]).toString('base64'),
    }
  }
  function open(plaintext: string | Buffer, keyBytes?: number) {
    const { sessionKey, ...data } = encrypt(plaintext, keyBytes)
    return openEncryptedData(data, { ...checks, sessionKey })
  }
  const watermark = { appid: B.appid, timestamp: B.timestamp }

  test('another platform with 24-byte keys is opened too', () => {
    expect(open(JSON.stringify({ watermark }), 24)).toEqual({ watermark })
  })

  test.each<[string, string | Buffer, RegExp]>([
    ['no watermark', '{}', /watermark_appid/],
    ['a watermark that is no object', '{"watermark":"wx"}', /watermark_appid/],
    ['a watermark that is null', '{"watermark":null}', /watermark_appid/],
    ['no timestamp', JSON.stringify({ watermark: { appid: B.appid } }), /watermark_age/],
    [
      'a timestamp that is no number',
      JSON.stringify({ watermark: { ...watermark, timestamp: 'now' } }),
      /watermark_age/,
    ],
    ['a list', '[]', /undecipherable/],
    ['null', 'null', /undecipherable/],
    ['a number', '5', /undecipherable/],
    ['a text', '"text"', /undecipherable/],
    ['no JSON', 'hello', /undecipherable/],
    ['broken UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /watermark_appid/],
  ])('%s is refused', (_what, plaintext, reason) => {
    expect(() => open(plaintext)).toThrow(reason)
  })

  test('a name with control characters is read, with blanks in their place; what JSON allows stays as it is', () => {
    const text = (name: string) => `{"nickName":"${name}","watermark":${JSON.stringify(watermark)}}`
    expect(open(text('a\u0001b\nc')).nickName).toBe('a b c')
    expect(open(text('a\u007fb')).nickName).toBe('a\u007fb')
  })

  test('a refusal says nothing of the key or the content', () => {
    const { sessionKey, ...data } = encrypt('{"phoneNumber":"13800000000"}')
    try {
      openEncryptedData(data, { ...checks, sessionKey })
    } catch (error) {
      expect(String(error)).not.toMatch(/13800000000|AwMDAw/)
    }
    expect.assertions(1)
  })
})
