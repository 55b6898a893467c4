/** The simulator's signatures and ciphertexts against published vectors. */
import { createDecipheriv } from 'node:crypto'
import { expect, test } from 'vitest'
import { encryptOpenData, newSessionKey, signLoginState, signRawData, stableId } from './wechat-crypto.ts'

// The vectors are WeChat's own: its page on signature and encryption, its aes-sample, its page on the login-state signature.
const RAW_DATA =
  '{"nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong","country":"CN","avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/1vZvI39NWFQ9XM4LtQpFrQJ1xlgZxx3w7bQxKARol6503Iuswjjn6nIGBiaycAjAtpujxyzYsrztuuICqIM5ibXQ/0"}'
const ENCRYPTED_DATA =
  'CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+3hVbJSRgv+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOyuxINew=='

test('rawData is signed as in the example of the official page', () => {
  expect(signRawData(RAW_DATA, 'HyVFkGl5F5OQWJZZaNzBBg==')).toBe('75e81ceda165f4ffa64f4068af58c64b8f54b88c')
})

test('the official aes-sample comes out byte for byte when its plaintext is encrypted again', () => {
  const sessionKey = 'tiihtNczf5v6AKRyjwEUhQ=='
  const iv = 'r7BXXKkLb8qrSNn05n0qiA=='
  const plaintext = decrypt(ENCRYPTED_DATA, sessionKey, iv)
  expect(JSON.parse(plaintext)).toMatchObject({ nickName: 'Band', watermark: { appid: 'wx4f4bc4dec97d474b' } })
  expect(encryptOpenData(plaintext, sessionKey, iv)).toEqual({ encryptedData: ENCRYPTED_DATA, iv })
})

test('the login-state signature takes the session_key as text, as in the example of the official page', () => {
  const sessionKey = 'o0q0otL8aEzpcZL/FT9WsQ=='
  expect(signLoginState('{"foo":"bar"}', sessionKey)).toBe(
    '654571f79995b2ce1e149e53c0a33dc39c0a74090db514261454e8dbe432aa0b',
  )
  // Douyin's user-state signature is the same; its page's key and body.
  expect(signLoginState('{"foo":"bar"}', '724edcafc423d167724edcbe')).toBe(
    '44b5092fa1c9adba03803239934d4958b8a1840adf0cee8d5e95c1cf5d495e0e',
  )
  expect(signLoginState('', sessionKey)).toBe('46e043c5525c2d817c44be603d30837a808a1d930d038f6fdc3e62a201fed128')
})

test('an iv is never used twice unless it is given', () => {
  const sessionKey = newSessionKey()
  const ivs = Array.from({ length: 50 }, () => encryptOpenData('same', sessionKey).iv)
  expect(new Set(ivs).size).toBe(50)
})

test('ids have the size of real ones and are the same after a restart', () => {
  expect(stableId('openid', 'wx1', 'alice')).toBe('oa59Ose5z3vhYzLdP_NhG8UQZEHf')
  expect(stableId('openid', 'wx1', 'alice')).toHaveLength(28)
  expect(stableId('openid', 'wx2', 'alice')).not.toBe(stableId('openid', 'wx1', 'alice'))
  expect(stableId('unionid', 'wx1', 'alice')).not.toBe(stableId('openid', 'wx1', 'alice'))
})

function decrypt(encryptedData: string, sessionKey: string, iv: string): string {
  const decipher = createDecipheriv('aes-128-cbc', Buffer.from(sessionKey, 'base64'), Buffer.from(iv, 'base64'))
  return decipher.update(encryptedData, 'base64', 'utf8') + decipher.final('utf8')
}
