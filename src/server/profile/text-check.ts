/** Asks the platform about texts that others will read; the client's own check can be bypassed by calling us directly. */
import { GatewayError } from '../errors.ts'
import { PlatformError, type Refusal } from '../platforms/platform.ts'
import type { App } from '../platforms/registry.ts'

export type TextCheck = (app: App | undefined, openid: string, texts: readonly string[]) => Promise<void>

export type TextCheckParts = {
  enabled: boolean
  /** What becomes of a text that could not be checked. */
  whenUnavailable: 'allow' | 'refuse'
  onUnchecked: (error: PlatformError) => void
}

/** Refusals that are about this person rather than about the checker: letting them pass would be a way around it. */
const aboutThePerson: readonly (Refusal | undefined)[] = ['user_inactive', 'identity_mismatch', 'content_risky']

/** Throws A0430 for a text the platform calls risky; one it would have a human look at is taken. */
export function createTextCheck({ enabled, whenUnavailable, onUnchecked }: TextCheckParts): TextCheck {
  return async (app, openid, texts) => {
    if (!enabled || texts.length === 0 || !app?.userApi.checkText) return
    try {
      if ((await app.userApi.checkText(openid, texts)) === 'risky') throw new GatewayError('A0430')
    } catch (error) {
      if (!(error instanceof PlatformError) || aboutThePerson.includes(error.refusal)) throw error
      if (whenUnavailable === 'refuse') throw error
      onUnchecked(error)
    }
  }
}
