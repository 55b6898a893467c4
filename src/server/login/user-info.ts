/** What a login says about the person: checked with this login's session_key where it is signed, and never a placeholder. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { hasHidden } from '../http/hidden-characters.ts'
import { checkSignature, OpenDataError, openEncryptedData, readLeniently } from '../platforms/open-data.ts'
import type { Sex } from '../storage/schema.ts'

/** The value where it fits the schema, else nothing. */
const droppedUnlessFit = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess((value) => (schema.safeParse(value).success ? value : undefined), schema.nullish())

/** The plain object of wx.getUserInfo: decoration. A member of the wrong form is dropped, and never a reason to refuse the login. */
const userInfo = z.object({
  nickName: droppedUnlessFit(z.string().refine((text) => [...text].length <= 50)),
  avatarUrl: droppedUnlessFit(z.string().max(500)),
  gender: droppedUnlessFit(z.number().int()),
})

export type UserInfoInput = {
  /** Whatever came; what of it is used must fit. */
  userinfo?: unknown
  rawData?: string | undefined
  signature?: string | undefined
  encryptedData?: string | undefined
  iv?: string | undefined
}

export type ChosenProfile = { nickname?: string; avatar?: string; sex?: Sex }

/** How old a signed piece of data may be: it is fetched right before the login. */
const MAX_AGE_SECONDS = 600

/** What nobody chose: since 2022-11-08 everyone (announcement on wx.getUserProfile), and who is anonymous at Baidu (swan.getUserInfo). */
const PLACEHOLDER_NICKNAMES = ['微信用户', '百度网友']
/** The grey avatar that comes with it. */
const PLACEHOLDER_AVATAR =
  'POgEwh4mIHO4nibH0KlMECNjjGxQUq24ZEaGT4poC6icRiccVGKSyXwibcPq4BWmiaIGuG1icwxaQX6grC9VemZoJ8rg'

/** The profile fields that the person really chose. Throws A0340 when signed or encrypted data does not fit. */
export function readUserInfo(
  input: UserInfoInput,
  login: { appid: string; openid: string; sessionKey: string | undefined; now: Date },
): ChosenProfile {
  try {
    return chosen(verifiedUserInfo(input, login))
  } catch (error) {
    if (error instanceof OpenDataError) throw new GatewayError('A0340', { note: error.message })
    throw error
  }
}

type Login = { appid: string; openid: string; sessionKey: string | undefined; now: Date }

/** Encrypted data goes before signed data, and signed data before the plain object, which anybody can write. */
function verifiedUserInfo(
  { userinfo, rawData, signature, encryptedData, iv }: UserInfoInput,
  { appid, openid, sessionKey, now }: Login,
): unknown {
  if (encryptedData !== undefined && iv !== undefined) {
    if (sessionKey === undefined) throw new OpenDataError('undecipherable')
    const value = openEncryptedData({ encryptedData, iv }, { sessionKey, appid, now, maxAgeSeconds: MAX_AGE_SECONDS })
    // Data of wx.getUserProfile carries no openId; where there is one it must be this person's.
    if (value.openId !== undefined && value.openId !== openid) throw new OpenDataError('undecipherable')
    return value
  }
  if (rawData !== undefined && signature !== undefined) {
    if (sessionKey === undefined) throw new OpenDataError('signature')
    checkSignature(rawData, signature, sessionKey)
    return readLeniently(rawData) ?? {}
  }
  return userinfo
}

function chosen(value: unknown): ChosenProfile {
  if (value === undefined || value === null) return {}
  const parsed = userInfo.safeParse(value)
  if (!parsed.success) return {}
  const { nickName, avatarUrl, gender } = parsed.data
  const profile: ChosenProfile = {}
  const nickname = nickName?.trim()
  // Signed data is not read by readJson, so what PostgreSQL cannot store is looked for here.
  const storable = nickname?.isWellFormed() && !hasHidden(nickname)
  if (nickname && storable && !PLACEHOLDER_NICKNAMES.includes(nickname)) profile.nickname = nickname
  const avatar = avatarUrl ? wechatAvatar(avatarUrl) : undefined
  if (avatar) profile.avatar = avatar
  // 0 is "unknown", which is all that is said since 2021.
  if (gender === 1) profile.sex = 'male'
  if (gender === 2) profile.sex = 'female'
  return profile
}

/** The plain object can hold any URL; only a picture on the platform's own host is taken over. */
function wechatAvatar(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  // Of other schemes (`javascript:`) the protocol cannot even be set below.
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined
  if (!url.hostname.endsWith('.qlogo.cn') || url.href.includes(PLACEHOLDER_AVATAR)) return undefined
  url.protocol = 'https:'
  return url.href.length <= 500 ? url.href : undefined
}
