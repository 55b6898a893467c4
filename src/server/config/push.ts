/** How a platform's message push is received: `push` of an app, or the short form for one app. */
import { z } from 'zod'

/** What a user's cancellation does: erases the user, suspends them, or is only passed on. */
export type OnCancellation = 'erase' | 'suspend' | 'report'

export type PushConfig = {
  /** Both, or neither where the team has a receiver of its own and hands the events in. */
  token?: string | undefined
  encodingAesKey?: string | undefined
  onCancellation?: OnCancellation | undefined
}

/** As WeChat's console takes them (miniprogram/dev/framework/server-ability/message-push). */
export const pushToken = z.string().regex(/^[A-Za-z0-9]{3,32}$/, 'must be the Token: 3 to 32 letters and digits')
export const encodingAesKey = z
  .string()
  .regex(/^[A-Za-z0-9+/]{43}$/, 'must be the EncodingAESKey: exactly 43 letters and digits')

export const pushSchema = z
  .strictObject({
    token: pushToken.optional(),
    encodingAesKey: encodingAesKey.optional(),
    onCancellation: z.enum(['erase', 'suspend', 'report']).optional(),
  })
  .superRefine(({ token, encodingAesKey: key }, context) => {
    const missing = (field: string, other: string) =>
      context.addIssue({ code: 'custom', path: [field], message: `is required beside ${other}` })
    if (token === undefined && key !== undefined) missing('token', 'encodingAesKey')
    if (token !== undefined && key === undefined) missing('encodingAesKey', 'token')
  })

type ShortForm = {
  APPS?: { platform: string; appid: string; push?: PushConfig | undefined }[] | undefined
  WECHAT_APPID?: string | undefined
  WECHAT_PUSH_TOKEN?: string | undefined
  WECHAT_PUSH_AES_KEY?: string | undefined
}

/** What is wrong with the short form as a whole. `isMissing`: neither given nor unreadable. */
export function pushProblems(env: ShortForm, isMissing: (name: keyof ShortForm) => boolean): string[] {
  const given = (['WECHAT_PUSH_TOKEN', 'WECHAT_PUSH_AES_KEY'] as const).filter((name) => env[name] !== undefined)
  const [first] = given
  if (first === undefined) return []
  const problems: string[] = []
  for (const name of ['WECHAT_PUSH_TOKEN', 'WECHAT_PUSH_AES_KEY', 'WECHAT_APPID'] as const)
    if (isMissing(name)) problems.push(`${name}: is required beside ${first}`)
  const { APPS = [], WECHAT_APPID: appid } = env
  if (APPS.some((app) => app.platform === 'wechat' && app.appid === appid && app.push !== undefined))
    problems.push(`${first}: the app has a push of its own in APPS`)
  return problems
}

/** Whether WeChat pushes events of any app. */
export const isPushed = (apps: readonly { push?: PushConfig | undefined }[]): boolean =>
  apps.some(({ push }) => push?.token !== undefined)
