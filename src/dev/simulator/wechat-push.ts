/**
 * WeChat's message push: events about a person, encrypted, sent to the URL that stands in the console, and again until it is
 * answered with `success`, three times in all (miniprogram/dev/framework/server-ability/message-push).
 */
import type { Clock } from '../../server/clock.ts'
import { encryptPush, randomAlphanumerics, signPush } from './wechat-crypto.ts'

export type PushTarget = {
  /** `{appid}` stands for the app. */
  url: string
  token: string
  encodingAesKey: string
  format?: 'json' | 'xml' | undefined
}

export type Pushed = {
  /** What was encrypted. */
  event: Record<string, unknown>
  attempts: number
  /** The last answer's; absent when there was none. */
  status?: number
  answer?: string
}

export type PushesParts = {
  /** Undefined: nothing is configured in the console. */
  target: PushTarget | undefined
  openidOf: (appid: string, person: string) => string
  clock: Clock
  fetch?: (url: string, init: RequestInit) => Promise<Response>
}

const ATTEMPTS = 3
const TIMEOUT_MS = 5000

/** What a person can take back in WeChat's settings, by the numbers of `RevokeInfo`. */
export const permissions = { address: '2', nickname: '6', phone: '8', email: '16', location: '13' } as const
export type Permission = keyof typeof permissions

export function createPushes({ target, openidOf, clock, fetch = globalThis.fetch }: PushesParts) {
  const configured = (): PushTarget => {
    if (!target) throw new Error('no URL for the message push is configured: --push-url, --push-token, --push-aes-key')
    return target
  }

  async function send(appid: string, event: Record<string, unknown>): Promise<Pushed> {
    const { url, token, encodingAesKey, format } = configured()
    const message = format === 'xml' ? toXml(event) : JSON.stringify(event)
    let last: Pushed = { event, attempts: 0 }
    for (let attempts = 1; attempts <= ATTEMPTS; attempts += 1) {
      // Each time with another nonce and another encryption.
      const encrypted = encryptPush(message, { encodingAesKey, appid })
      const timestamp = String(Math.floor(clock.now().getTime() / 1000))
      const nonce = randomAlphanumerics(10)
      const query = new URLSearchParams({
        ...{ signature: signPush(token, timestamp, nonce), timestamp, nonce, encrypt_type: 'aes' },
        msg_signature: signPush(token, timestamp, nonce, encrypted),
      })
      const body = { ToUserName: 'gh_simulated0000', Encrypt: encrypted }
      try {
        const reply = await fetch(`${url.replaceAll('{appid}', appid)}?${query}`, {
          method: 'POST',
          headers: { 'content-type': format === 'xml' ? 'text/xml' : 'application/json' },
          body: format === 'xml' ? toXml(body) : JSON.stringify(body),
          signal: AbortSignal.timeout(TIMEOUT_MS),
        })
        last = { event, attempts, status: reply.status, answer: (await reply.text()).slice(0, 500) }
        if (reply.status === 200 && (last.answer === 'success' || last.answer === '')) return last
      } catch {
        last = { event, attempts }
      }
    }
    return last
  }

  const about = (appid: string, person: string, name: string, more: Record<string, unknown> = {}) =>
    send(appid, {
      ToUserName: 'gh_simulated0000',
      // WeChat's sender, not the user.
      FromUserName: 'oSimulatedWeChat0000000000',
      CreateTime: Math.floor(clock.now().getTime() / 1000),
      MsgType: 'event',
      Event: name,
      OpenID: openidOf(appid, person),
      AppID: appid,
      ...more,
    })

  return {
    /** Any event, as it is. */
    push: send,
    /** The person takes permissions back in WeChat's settings. */
    withdraw: (appid: string, person: string, what: readonly Permission[]): Promise<Pushed> => {
      const numbers = what.map((one) => permissions[one])
      return about(appid, person, 'user_authorization_revoke', {
        RevokeInfo: numbers.length === 1 ? numbers[0] : numbers,
      })
    },
    /** The person closes the authorisation for good. */
    closeAccount: (appid: string, person: string): Promise<Pushed> =>
      about(appid, person, 'user_authorization_cancellation'),
    /** WeChat itself cleans a risky nickname or picture. */
    cleanProfile: (appid: string, person: string): Promise<Pushed> => about(appid, person, 'user_info_modified'),
    /** What the console does when its form is saved: whether the URL answers echostr. */
    async handshake(appid: string): Promise<boolean> {
      const { url, token } = configured()
      const [timestamp, nonce, echostr] = [
        String(Math.floor(clock.now().getTime() / 1000)),
        randomAlphanumerics(10),
        randomAlphanumerics(19),
      ]
      const query = new URLSearchParams({ signature: signPush(token, timestamp, nonce), timestamp, nonce, echostr })
      const reply = await fetch(`${url.replaceAll('{appid}', appid)}?${query}`, {
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      return reply.status === 200 && (await reply.text()) === echostr
    },
  }
}

export type Pushes = ReturnType<typeof createPushes>

const toXml = (members: Record<string, unknown>): string =>
  `<xml>${Object.entries(members)
    .flatMap(([name, value]) =>
      [value].flat().map((one) => `<${name}>${typeof one === 'number' ? one : `<![CDATA[${one}]]>`}</${name}>`),
    )
    .join('')}</xml>`
