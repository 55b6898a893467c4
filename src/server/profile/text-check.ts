/** Asks the platform about texts that others will read; the client's own check can be bypassed by calling us directly. */
import type { Actor } from '../actor.ts'
import type { Config } from '../config/config.ts'
import { GatewayError } from '../errors.ts'
import type { Log } from '../observability/log.ts'
import { PlatformError, type PlatformIdentity, type Refusal } from '../platforms/platform.ts'
import type { Apps } from '../platforms/registry.ts'
import type { LimitUpstream } from '../rate-limit/upstream.ts'

export type TextCheck = (person: PlatformIdentity, texts: readonly string[], actor?: Actor) => Promise<void>

export type TextCheckParts = {
  apps: Apps
  limitUpstream: LimitUpstream
  config: Pick<Config, 'textCheck' | 'textCheckUnavailable'>
  log: Log
}

/** Refusals that are about this person rather than about the checker: letting them pass would be a way around it. */
const aboutThePerson: readonly (Refusal | undefined)[] = ['user_inactive', 'identity_mismatch', 'content_risky']

/** Throws A0430 for a text the platform calls risky; one it would have a human look at is taken. Throws A0501 beyond the limit. */
export function createTextCheck({ apps, limitUpstream, config, log }: TextCheckParts): TextCheck {
  return async (person, texts, actor) => {
    const checkText = apps.find(person.platform, person.appid)?.userApi.checkText
    if (!config.textCheck || texts.length === 0 || !checkText) return
    await limitUpstream(person, actor)
    try {
      if ((await checkText(person.openid, texts)) === 'risky') throw new GatewayError('A0430')
    } catch (error) {
      if (!(error instanceof PlatformError) || aboutThePerson.includes(error.refusal)) throw error
      if (config.textCheckUnavailable === 'refuse') throw error
      log.warn({ error }, 'a text was taken unchecked: the text check did not answer')
    }
  }
}
