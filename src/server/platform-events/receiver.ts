/**
 * The receiver of WeChat's message push. Secure mode alone: in plain and compatible mode the signature does not cover the body, so
 * whoever has seen one request could have anybody erased.
 */

import type { Clock } from '../clock.ts'
import type { AppConfig } from '../config/config.ts'
import { GatewayError } from '../errors.ts'
import type { Metrics } from '../observability/metrics.ts'
import { describeEvent } from './event.ts'
import { readMembers, textOf } from './members.ts'
import { isSignature, openMessage } from './push-crypto.ts'
import type { Inbox } from './store.ts'

export type PushQuery = {
  timestamp: string
  nonce: string
  signature?: string | undefined
  msg_signature?: string | undefined
}

export type Receiver = {
  /** Answers what proves to WeChat's console that the URL is ours. Throws A0404, A0340 or what `onForged` throws. */
  handshake(appid: string, query: PushQuery & { echostr: string }, onForged: OnForged): Promise<string>
  /** Keeps the event; from then on it is ours to do. Throws A0404, A0400, A0340, B0320 or what `onForged` throws. */
  receive(appid: string, query: PushQuery, body: Buffer, onForged: OnForged): Promise<void>
}

/** Counts a sender whose signature is wrong; throws A0501 for one too many. */
export type OnForged = () => Promise<void> | undefined

export type ReceiverParts = {
  apps: readonly AppConfig[]
  inbox: Pick<Inbox, 'keep'>
  clock: Clock
  metrics: Pick<Metrics, 'platformPushes'>
  /** Told once an event is kept. */
  onKept: () => void
}

export const pushOutcomes = [
  'stored',
  'repeated',
  'bad_signature',
  'plain_mode',
  'compatible_mode',
  'stale',
  'unreadable',
  'undecipherable',
  'other_app',
] as const
type Refusal = Exclude<(typeof pushOutcomes)[number], 'stored' | 'repeated'>

/** WeChat repeats within seconds. What is older is a recording; a day forgives any queue, and the inbox remembers for longer. */
const MAX_AGE_MS = 24 * 3_600_000
const MAX_AHEAD_MS = 15 * 60_000

const forged = {
  zh: '签名校验未通过，请核对消息推送的 Token',
  en: 'The signature is invalid; compare the Token of the message push.',
}
const wrongMode = {
  zh: '只接受安全模式，请在微信公众平台的消息推送中选择“安全模式”',
  en: "Only the secure mode is accepted; choose it at the message push in WeChat's console.",
}
const wrongKey = {
  zh: '无法解密，请核对消息推送的 EncodingAESKey 和 appid',
  en: 'The message cannot be decrypted; compare EncodingAESKey and appid of the message push.',
}
const outdated = { zh: '消息的时间不在允许范围内', en: 'The timestamp is too old or in the future.' }

export function createReceiver({ apps, inbox, clock, metrics, onKept }: ReceiverParts): Receiver {
  function pushOf(appid: string) {
    const app = apps.find((one) => one.push?.token !== undefined && one.appid === appid)
    const { token, encodingAesKey } = app?.push ?? {}
    if (!app || token === undefined || encodingAesKey === undefined)
      throw new GatewayError('A0404', { note: 'no message push is configured for this appid' })
    return { token, encodingAesKey, platform: app.platform }
  }

  function refuse(outcome: Refusal, error: GatewayError): GatewayError {
    metrics.platformPushes.inc({ platform: 'wechat', outcome })
    return error
  }
  async function refuseForged(onForged: OnForged): Promise<GatewayError> {
    const error = refuse('bad_signature', new GatewayError('A0340', { note: 'bad_signature', words: forged }))
    await onForged()
    return error
  }
  /** The Token is right, so it is WeChat that pushes so: the operator has to change it in the console. */
  const refuseMode = (mode: 'plain' | 'compatible', appid: string): GatewayError =>
    refuse(
      `${mode}_mode`,
      new GatewayError('A0340', {
        note: `${mode}_mode`,
        words: wrongMode,
        alert: `WeChat pushes the events of ${appid} in ${mode} mode, and only the secure mode is accepted: choose it in WeChat's console (Development management, message push)`,
      }),
    )
  function assertFresh({ timestamp }: PushQuery): void {
    const age = clock.now().getTime() - Number(timestamp) * 1000
    if (age > MAX_AGE_MS || age < -MAX_AHEAD_MS)
      throw refuse('stale', new GatewayError('A0340', { note: 'stale', words: outdated }))
  }
  function open(encodingAesKey: string, encrypted: string, appid: string): string {
    const opened = openMessage(encodingAesKey, encrypted, appid)
    if (typeof opened === 'object') return opened.message
    const alert =
      opened === 'other_app'
        ? `a push to ${appid} is made for another appid: compare the URL in WeChat's console`
        : `a push to ${appid} cannot be decrypted: compare its EncodingAESKey with WeChat's console`
    throw refuse(opened, new GatewayError('A0340', { note: opened, words: wrongKey, alert }))
  }
  const unreadable = (reason: string): GatewayError =>
    refuse('unreadable', new GatewayError('A0400', { note: 'unreadable', fields: { body: reason } }))

  return {
    async handshake(appid, query, onForged) {
      const { token, encodingAesKey } = pushOf(appid)
      const { timestamp, nonce, echostr, signature, msg_signature: encryptedSignature } = query
      if (encryptedSignature !== undefined) {
        if (!isSignature(encryptedSignature, token, timestamp, nonce, echostr)) throw await refuseForged(onForged)
        assertFresh(query)
        return open(encodingAesKey, echostr, appid)
      }
      // In every mode the documented handshake comes without encryption, and gives away nothing but what was sent.
      if (!isSignature(signature, token, timestamp, nonce)) throw await refuseForged(onForged)
      assertFresh(query)
      return echostr
    },

    async receive(appid, query, body, onForged) {
      const { token, encodingAesKey, platform } = pushOf(appid)
      const { timestamp, nonce, signature, msg_signature: encryptedSignature } = query
      const envelope = readMembers(body.toString('utf8'))
      if (!envelope) throw unreadable('is neither a JSON object nor XML without a document type')
      const { members } = envelope
      const encrypted = textOf(members, 'Encrypt')
      if (encrypted === undefined) {
        const isWechat = isSignature(signature, token, timestamp, nonce)
        throw isWechat ? refuseMode('plain', appid) : await refuseForged(onForged)
      }
      // Before anything is decrypted.
      if (!isSignature(encryptedSignature, token, timestamp, nonce, encrypted)) throw await refuseForged(onForged)
      // Beside what is encrypted, the same in the clear.
      if (['MsgType', 'Event', 'FromUserName'].some((name) => members.has(name))) throw refuseMode('compatible', appid)
      assertFresh(query)
      const message = open(encodingAesKey, encrypted, appid)
      if (message.includes('\0')) throw unreadable('holds a NUL')
      const isNew = await inbox.keep(platform, appid, 'push', describeEvent(platform, appid, message))
      metrics.platformPushes.inc({ platform, outcome: isNew ? 'stored' : 'repeated' })
      onKept()
    },
  }
}
