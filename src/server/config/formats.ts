/** How the values of the environment are written: each format checked and turned into what the code works with. */
import { z } from 'zod'
import { isPair, readRsaPrivateKey, readRsaPublicKey } from '../crypto/rsa-keys.ts'
import type { EncryptionKey } from '../crypto/seal.ts'
import { type PushConfig, pushSchema } from './push.ts'
import { parseRedisUrl, redisUrlForms } from './redis-url.ts'

export const otherPlatforms = ['qq', 'douyin', 'alipay', 'baidu', 'kuaishou', 'xiaohongshu', 'wecom'] as const
export type OtherPlatform = (typeof otherPlatforms)[number]
/** WeChat beside its mini programs: an official account's pages, a QR code on a web page, a native app. */
export const wechatOauthNames = ['wechat-page', 'wechat-web', 'wechat-app'] as const
export type WechatOauthName = (typeof wechatOauthNames)[number]
const platformNames = ['wechat', ...wechatOauthNames, ...otherPlatforms] as const
export type PlatformName = (typeof platformNames)[number]

export const isWechatOauth = (platform: PlatformName): platform is WechatOauthName =>
  wechatOauthNames.some((name) => name === platform)

/** Platforms whose unionids are of one kind: all that is bound to one WeChat Open Platform account has the same. */
const unionFamilyOf = (platform: PlatformName): string => (isWechatOauth(platform) ? 'wechat' : platform)

export const signingAlgorithms = ['ES256', 'RS256', 'EdDSA'] as const
export type SigningAlgorithm = (typeof signingAlgorithms)[number]

const optionalClaims = ['openid', 'unionid', 'platform'] as const
export type OptionalClaim = (typeof optionalClaims)[number]

/** One program on one platform, as configured. */
export type AppConfig = {
  platform: PlatformName
  appid: string
  /** The AppSecret; for Alipay the app's RSA private key, for WeCom the Secret of the linked app. */
  secret: string
  /** Alipay only: the key that its replies are signed with. */
  alipayPublicKey?: string | undefined
  /** WeCom only: the company that the program is linked to. */
  corpid?: string | undefined
  /** WeChat OAuth in a browser only: the addresses that it may end at, exact. */
  redirects?: string[] | undefined
  /** Apps of the same union share unionids, and so their users. */
  union?: string | undefined
  audience?: string[] | undefined
  accessTokenTtlSeconds?: number | undefined
  refreshTokenTtlSeconds?: number | undefined
  sessionTtlSeconds?: number | undefined
  claims?: OptionalClaim[] | undefined
  /** WeChat only: how its message push is received, and what a cancellation does. */
  push?: PushConfig | undefined
}

export const seconds = (min: number, max = 10 * 365 * 86_400) => z.coerce.number().int().min(min).max(max)
export const port = z.coerce.number().int().min(0).max(65_535)
export const list = (text: string) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

export const baseUrl = z
  .string()
  .refine(isIssuerUrl, 'must be an https URL (http only on a loopback host), without query or fragment')

function isIssuerUrl(text: string): boolean {
  return isHttpsUrl(text) && !/[?#]/.test(text)
}

/** Https, or http on a loopback host, without credentials. */
function isHttpsUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  return (
    (url.protocol === 'https:' || (url.protocol === 'http:' && loopback)) &&
    // The text itself is used: a spelling that a parser would mend (`https:host`, a backslash) is refused.
    text.startsWith(url.origin) &&
    !/[\s\\]/.test(text) &&
    url.username === '' &&
    url.password === ''
  )
}

export const storeUrl = (...schemes: string[]) =>
  z
    .string()
    .refine(
      (text) => schemes.some((scheme) => text.startsWith(`${scheme}://`)) && URL.canParse(text),
      `must be a URL that starts with ${schemes.join(':// or ')}://`,
    )

export const redisUrl = z.string().refine((text) => parseRedisUrl(text) !== undefined, redisUrlForms)

export const encryptionKeys = z.string().transform((text, context): EncryptionKey[] => {
  const keys: EncryptionKey[] = []
  for (const item of list(text)) {
    const [, id, base64] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]{43}=?)$/.exec(item) ?? []
    const secret = Buffer.from(base64 ?? '', 'base64')
    if (id === undefined || secret.length !== 32) {
      context.addIssue(`entry ${keys.length + 1} must be id:base64 of exactly 32 bytes (openssl rand -base64 32)`)
      return z.NEVER
    }
    if (keys.some((key) => key.id === id)) {
      context.addIssue(`the id "${id}" is there twice`)
      return z.NEVER
    }
    keys.push({ id, secret })
  }
  if (keys.length === 0) context.addIssue('needs at least one id:base64 entry')
  return keys
})

export const appid = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores')

export const apps = z.string().transform((text, context): AppConfig[] => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    context.addIssue('is not JSON')
    return z.NEVER
  }
  const parsed = z.array(appSchema).min(1).safeParse(value)
  if (parsed.success) {
    const mixed = parsed.data.find(({ union, platform }) =>
      parsed.data.some(
        (other) =>
          union !== undefined && other.union === union && unionFamilyOf(other.platform) !== unionFamilyOf(platform),
      ),
    )
    // Equal text from two platforms is not one person.
    if (mixed)
      context.addIssue(`the union "${mixed.union}" is of several platforms: unionids are those of one platform`)
    return parsed.data
  }
  for (const issue of parsed.error.issues) context.addIssue(`${issue.path.join('.') || 'value'}: ${issue.message}`)
  return z.NEVER
})

/** RFC 6749 section 3.1.2: absolute and without a fragment, which is where the ticket goes. */
const redirect = z
  .string()
  .max(500)
  .refine(
    (text) => isHttpsUrl(text) && !text.includes('#'),
    'must be an https URL (http only on a loopback host) without a fragment, as the page spells it',
  )

const appFields = z.strictObject({
  platform: z.enum(platformNames).default('wechat'),
  appid,
  secret: z.string().trim().min(1).max(8192),
  alipayPublicKey: z.string().max(8192).optional(),
  corpid: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, dashes or underscores')
    .optional(),
  redirects: z.array(redirect).min(1).max(100).optional(),
  union: z.string().min(1).max(64).optional(),
  audience: z.array(z.string().min(1)).min(1).optional(),
  accessTokenTtlSeconds: seconds(1, 86_400).optional(),
  refreshTokenTtlSeconds: seconds(1).optional(),
  sessionTtlSeconds: seconds(1).optional(),
  claims: z.array(z.enum(optionalClaims)).optional(),
  push: pushSchema.optional(),
})

/** What one platform needs and the others refuse, so that a line pasted to the wrong place is noticed. */
const appSchema = appFields.superRefine((app, context) => {
  const { platform, secret, alipayPublicKey, corpid, redirects, push } = app
  const problem = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message })
  if (platform === 'alipay') {
    const own = readRsaPrivateKey(secret)
    const theirs = readRsaPublicKey(alipayPublicKey ?? '')
    if (!own) problem('secret', "must be the app's RSA private key of at least 2048 bits")
    if (!theirs) {
      problem('alipayPublicKey', 'must be the RSA public key of Alipay (not of the app), of at least 2048 bits')
    } else if (own && isPair(own, theirs)) {
      problem(
        'alipayPublicKey',
        "is the app's own public key, the pair of its secret; Alipay's stands beside it in the console",
      )
    }
  } else if (alipayPublicKey !== undefined) problem('alipayPublicKey', 'is for the platform alipay only')
  if (redirects !== undefined && platform !== 'wechat-page' && platform !== 'wechat-web')
    problem('redirects', 'is for the platforms wechat-page and wechat-web only')
  if (platform !== 'alipay' && /\s/.test(secret)) problem('secret', 'must not hold blanks or line breaks')
  if (platform === 'wecom' && corpid === undefined) problem('corpid', 'is required for the platform wecom')
  if (push !== undefined && !platform.startsWith('wechat')) problem('push', 'is for WeChat only')
  if (platform !== 'wecom' && corpid !== undefined) problem('corpid', 'is for the platform wecom only')
})

export const platformApiBases = z.string().transform((text, context): Partial<Record<OtherPlatform, string>> => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    context.addIssue('is not JSON')
    return z.NEVER
  }
  const parsed = z.partialRecord(z.enum(otherPlatforms), baseUrl).safeParse(value)
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) context.addIssue(`${issue.path.join('.') || 'value'}: ${issue.message}`)
  return z.NEVER
})

export const claims = z.string().transform((text, context): OptionalClaim[] => {
  const names = list(text)
  const known = names.filter((name): name is OptionalClaim => optionalClaims.some((one) => one === name))
  if (known.length !== names.length) context.addIssue(`knows only ${optionalClaims.join(', ')}`)
  return known
})

export const onOff = z.enum(['on', 'off']).transform((text) => text === 'on')

/** So many acts within so many seconds. */
export type RateLimitRule = { points: number; seconds: number }

export const rateLimitRule = (fallback: `${number}/${number}`) =>
  z
    .string()
    .transform((text, context): RateLimitRule => {
      const [, points, period] = /^([1-9]\d{0,8})\/([1-9]\d{0,5})$/.exec(text) ?? []
      if (points === undefined || period === undefined) {
        context.addIssue('must be points/seconds, such as 600/60')
        return z.NEVER
      }
      return { points: Number(points), seconds: Number(period) }
    })
    .prefault(fallback)

/** Where a secret may be sent: over TLS, or without it to this machine or to a neighbour in the same network (a name without dots). */
export function isSecretSafe(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return (
    protocol === 'https:' ||
    ['127.0.0.1', '[::1]'].includes(hostname) ||
    !hostname.includes('.') ||
    /\.svc(\.cluster\.local)?$/.test(hostname)
  )
}

/** A JSON list of things that have an `id`, each once; `example` is what a problem shows. */
export function listById<Item extends { id: string }>(
  item: z.ZodType<Item>,
  { min = 0, max, example }: { min?: number; max: number; example: string },
) {
  return z.string().transform((text, context): Item[] => {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      context.addIssue(`must be JSON: ${example}`)
      return z.NEVER
    }
    const parsed = z.array(item).min(min).max(max).safeParse(value)
    if (!parsed.success) {
      for (const { path, message } of parsed.error.issues)
        context.addIssue(`${path.join('.') || 'the list'}: ${message}`)
      return z.NEVER
    }
    const ids = parsed.data.map(({ id }) => id)
    const twice = ids.find((id, index) => ids.indexOf(id) !== index)
    if (twice !== undefined) context.addIssue(`"${twice}" is there twice`)
    return parsed.data
  })
}
