/** What a mini program's client hands over about its user: signed and encrypted, as wx.getUserInfo and the phone button do. */
import { createHash } from 'node:crypto'
import type { Clock } from '../../server/clock.ts'
import { type EncryptedData, encryptOpenData, signRawData } from './wechat-crypto.ts'
import type { People } from './wechat-people.ts'

export type WechatUserInfo = {
  nickName: string
  gender: number
  language: string
  city: string
  province: string
  country: string
  avatarUrl: string
}

export type OpenDataOptions = {
  /** Instead of the app's own appid and the present second: a watermark that must be refused. */
  watermark?: { appid?: string | undefined; timestamp?: number | undefined } | undefined
  /** Instead of the current session_key: data taken under an older login. */
  sessionKey?: string | undefined
  iv?: string | undefined
}

export type UserInfoOptions = OpenDataOptions & {
  profile?: { [K in keyof WechatUserInfo]?: WechatUserInfo[K] | undefined } | undefined
  /** false: no unionId, as before the app was bound to an Open Platform account. */
  unionid?: boolean | undefined
}

export type SignedUserInfo = EncryptedData & { rawData: string; signature: string; userInfo: WechatUserInfo }

// Since 2022-11 every client gets this and nothing else (2022 notice on getUserProfile and getUserInfo).
const ANONYMOUS: WechatUserInfo = {
  nickName: '微信用户',
  gender: 0,
  language: '',
  city: '',
  province: '',
  country: '',
  avatarUrl:
    'https://thirdwx.qlogo.cn/mmopen/vi_32/POgEwh4mIHO4nibH0KlMECNjjGxQUq24ZEaGT4poC6icRiccVGKSyXwibcPq4BWmiaIGuG1icwxaQX6grC9VemZoJ8rg/132',
}

export function createOpenData(people: People, clock: Clock) {
  function seal(appid: string, person: string, content: object, options: OpenDataOptions): EncryptedData {
    const watermark = {
      timestamp: options.watermark?.timestamp ?? Math.floor(clock.now().getTime() / 1000),
      appid: options.watermark?.appid ?? appid,
    }
    const sessionKey = options.sessionKey ?? people.member(appid, person).sessionKey
    return encryptOpenData(JSON.stringify({ ...content, watermark }), sessionKey, options.iv)
  }

  function userInfo(appid: string, person: string, options: UserInfoOptions = {}): SignedUserInfo {
    const { openid, unionid, sessionKey } = people.member(appid, person)
    const shown = { ...ANONYMOUS, ...options.profile } as WechatUserInfo
    const rawData = JSON.stringify(shown)
    const ids = { openId: openid, ...(unionid !== undefined && options.unionid !== false && { unionId: unionid }) }
    return {
      userInfo: shown,
      rawData,
      signature: signRawData(rawData, options.sessionKey ?? sessionKey),
      ...seal(appid, person, { ...ids, ...shown }, options),
    }
  }

  function phoneData(
    appid: string,
    person: string,
    options: OpenDataOptions & { phone?: string | undefined } = {},
  ): EncryptedData {
    return seal(appid, person, phoneInfo(person, options.phone), options)
  }

  return { userInfo, phoneData }
}

/** A person's number. Mainland numbers stand alone; others are given as `+<country> <number>` and keep their prefix. */
export function phoneInfo(person: string, phone = inventedPhone(person)) {
  const [, countryCode, abroad] = /^\+(\d+) (\d+)$/.exec(phone) ?? []
  return abroad !== undefined && countryCode !== undefined
    ? { phoneNumber: `+${countryCode}${abroad}`, purePhoneNumber: abroad, countryCode }
    : { phoneNumber: phone, purePhoneNumber: phone, countryCode: '86' }
}

/** Always the same for a person, and nobody's: no mobile number starts with 100. */
function inventedPhone(person: string): string {
  const digits = createHash('sha256').update(person).digest().readUInt32BE() % 100_000_000
  return `100${String(digits).padStart(8, '0')}`
}
