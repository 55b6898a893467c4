/** What a login says about the person: believed when it is signed with this login's session_key, and otherwise decoration. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { encryptOpenData } from '../../dev/simulator/wechat-crypto.ts'
import type { GatewayError } from '../errors.ts'
import { readUserInfo, type UserInfoInput } from './user-info.ts'

const KEY = 'tiihtNczf5v6AKRyjwEUhQ=='
const NOW = new Date('2026-03-01T00:00:00Z')
const now = NOW.getTime() / 1000
const login = { appid: 'wx1', openid: 'ann', sessionKey: KEY as string | undefined, now: NOW }
const AVATAR = 'https://thirdwx.qlogo.cn/mmopen/vi_32/abc/132'

const read = (input: UserInfoInput, changes: Partial<typeof login> = {}) =>
  readUserInfo(input, { ...login, ...changes })
const plain = (userinfo: unknown) => read({ userinfo })
const signatureOf = (rawData: string, key = KEY) =>
  createHash('sha1')
    .update(rawData + key)
    .digest('hex')
const signed = (value: object, key = KEY) => {
  const rawData = JSON.stringify(value)
  return { rawData, signature: signatureOf(rawData, key) }
}
const encrypted = (value: object = {}, watermark: object = {}, key = KEY) =>
  encryptOpenData(JSON.stringify({ ...value, watermark: { appid: 'wx1', timestamp: now, ...watermark } }), key)

function refusal(
  input: UserInfoInput,
  changes: Partial<typeof login> = {},
): Pick<GatewayError, 'code' | 'message'> | undefined {
  try {
    read(input, changes)
    return undefined
  } catch (error) {
    const { code, message } = error as GatewayError
    return { code, message }
  }
}
const refused = (reason: string) => ({ code: 'A0340', message: `open data refused: ${reason}` })

describe('signed data', () => {
  test('is believed, and goes before the plain object', () => {
    const input = { ...signed({ nickName: 'Ann', gender: 2, avatarUrl: AVATAR }), userinfo: { nickName: 'Eve' } }
    expect(read(input)).toStrictEqual({ nickname: 'Ann', sex: 'female', avatar: AVATAR })
  })

  test('with a wrong signature refuses the login, and so does one where the platform gave no key', () => {
    const { rawData, signature } = signed({ nickName: 'Ann' })
    expect(refusal({ rawData: `${rawData} `, signature })).toStrictEqual(refused('signature'))
    expect(refusal(signed({ nickName: 'Ann' }, 'AAAAAAAAAAAAAAAAAAAAAA=='))).toStrictEqual(refused('signature'))
    expect(refusal({ rawData, signature }, { sessionKey: undefined })).toStrictEqual(refused('signature'))
    expect(refusal({ rawData, signature: signatureOf(rawData, 'undefined') }, { sessionKey: undefined })).toStrictEqual(
      refused('signature'),
    )
  })

  test('that is half there is not looked at', () => {
    const { rawData, signature } = signed({ nickName: 'Ann' })
    for (const half of [{ rawData }, { signature }])
      expect(read({ ...half, userinfo: { nickName: 'Eve' } })).toStrictEqual({ nickname: 'Eve' })
  })

  test('that is no object says nothing', () => {
    const rawData = '"text"'
    expect(read({ rawData, signature: signatureOf(rawData), userinfo: { nickName: 'Eve' } })).toStrictEqual({})
  })
})

describe('encrypted data', () => {
  test('is believed, and goes before signed data', () => {
    const input = { ...encrypted({ nickName: 'Ann', openId: 'ann' }), ...signed({ nickName: 'Eve' }) }
    expect(read(input)).toStrictEqual({ nickname: 'Ann' })
    expect(read(encrypted({ nickName: 'Ann' }))).toStrictEqual({ nickname: 'Ann' })
  })

  test('may be ten minutes old', () => {
    expect(read(encrypted({ nickName: 'Ann' }, { timestamp: now - 600 }))).toStrictEqual({ nickname: 'Ann' })
  })

  test.each<[string, UserInfoInput, Partial<typeof login>, string]>([
    ["with another person's openid", encrypted({ openId: 'eve' }), {}, 'undecipherable'],
    ['of another app', encrypted({}, { appid: 'wx2' }), {}, 'watermark_appid'],
    ['eleven minutes old', encrypted({}, { timestamp: now - 660 }), {}, 'watermark_age'],
    ['a second older than ten minutes', encrypted({}, { timestamp: now - 601 }), {}, 'watermark_age'],
    ['under another key', encrypted({}, {}, 'AAAAAAAAAAAAAAAAAAAAAA=='), {}, 'undecipherable'],
    ['where the platform gave no key', encrypted(), { sessionKey: undefined }, 'undecipherable'],
  ])('%s refuses the login', (_what, input, changes, reason) => {
    expect(refusal(input, changes)).toStrictEqual(refused(reason))
  })

  test('that is half there is not looked at', () => {
    const { encryptedData, iv } = encrypted({ nickName: 'Ann' })
    for (const half of [{ encryptedData }, { iv }])
      expect(read({ ...half, userinfo: { nickName: 'Eve' } })).toStrictEqual({ nickname: 'Eve' })
  })
})

describe('a picture', () => {
  test.each([
    [AVATAR, AVATAR],
    ['http://wx.qlogo.cn/mmopen/a/132', 'https://wx.qlogo.cn/mmopen/a/132'],
    [`https://wx.qlogo.cn/${'a'.repeat(480)}`, `https://wx.qlogo.cn/${'a'.repeat(480)}`],
  ])("on the platform's own host is taken over: %s", (url, taken) => {
    expect(plain({ avatarUrl: url })).toStrictEqual({ avatar: taken })
  })

  test.each([
    'https://qlogo.cn.evil.example/132',
    'https://wx.qlogo.cn.evil.example/132',
    'https://evilqlogo.cn/132',
    'https://evil.example/wx.qlogo.cn',
    'https://evil.example/?.qlogo.cn',
    'https://wx.qlogo.cn@evil.example/132',
    'javascript:alert(1)//wx.qlogo.cn',
    'javascript://wx.qlogo.cn/%0aalert(1)',
    'ftp://wx.qlogo.cn/132',
    'data:image/png;base64,AAAA',
    'wx.qlogo.cn/132',
    '',
    'https://thirdwx.qlogo.cn/mmopen/vi_32/POgEwh4mIHO4nibH0KlMECNjjGxQUq24ZEaGT4poC6icRiccVGKSyXwibcPq4BWmiaIGuG1icwxaQX6grC9VemZoJ8rg/132',
    `https://wx.qlogo.cn/${'a'.repeat(481)}`,
    // One character longer as https than as http.
    `http://wx.qlogo.cn/${'a'.repeat(481)}`,
  ])('is not: %s', (url) => {
    expect(plain({ avatarUrl: url })).toStrictEqual({})
  })
})

describe('a name', () => {
  test.each([
    [' Ann ', 'Ann'],
    ['小'.repeat(50), '小'.repeat(50)],
    ['😀'.repeat(50), '😀'.repeat(50)],
  ])('is taken over: %s', (given, taken) => {
    expect(plain({ nickName: given })).toStrictEqual({ nickname: taken })
  })

  test.each(['微信用户', '百度网友', '', '  ', '小'.repeat(51), 'half \ud83d', 'a\u202eb', 'a\u0000b'])(
    'that nobody chose, or that cannot be kept, is not: %s',
    (given) => {
      expect(plain({ nickName: given })).toStrictEqual({})
    },
  )
})

test.each([
  [1, { sex: 'male' }],
  [2, { sex: 'female' }],
  [0, {}],
  [3, {}],
  ['f', {}],
  ['', {}],
  [1.5, {}],
  [null, {}],
])('gender %s is %j', (gender, said) => {
  expect(plain({ gender })).toStrictEqual(said)
})

test('of the plain object a member of the wrong form is dropped, and the rest is taken', () => {
  const odd = { nickName: 7, avatarUrl: [AVATAR], gender: 1, more: { nested: true } }
  expect(plain(odd)).toStrictEqual({ sex: 'male' })
  for (const none of [undefined, null, 'text', 7, [], {}, () => 1]) expect(plain(none)).toStrictEqual({})
  expect(plain({ nickName: null, avatarUrl: null, gender: null })).toStrictEqual({})
})

test('a defect is no refusal of the data', () => {
  const broken = {
    ...login,
    get sessionKey(): string {
      throw new TypeError('a defect')
    },
  }
  expect(() => readUserInfo(signed({}), broken)).toThrow(TypeError)
})
