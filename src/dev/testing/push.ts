/** Pushes to a gateway as WeChat does, and reads what it passed on. */
import type { Redis } from 'ioredis'
import { encryptPush, signPush } from '../simulator/wechat-crypto.ts'
import { APPID, type TestGateway } from './test-gateway.ts'

export const PUSH_TOKEN = 'PushToken1'
export const PUSH_KEY = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG'
export const pushEnvironment = { WECHAT_PUSH_TOKEN: PUSH_TOKEN, WECHAT_PUSH_AES_KEY: PUSH_KEY }

export type Push = {
  query: Record<string, string>
  body: string
}

type Odd = {
  /** In another app's name, with another key or token, at another time. */
  appid?: string
  encodingAesKey?: string
  token?: string
  at?: number
  format?: 'json' | 'xml'
}

/** What WeChat sends for this message in secure mode. */
export function pushOf(message: object | string, odd: Odd = {}): Push {
  const { appid = APPID, encodingAesKey = PUSH_KEY, token = PUSH_TOKEN, at = Date.now() / 1000, format = 'json' } = odd
  const text = typeof message === 'string' ? message : JSON.stringify(message)
  const encrypted = encryptPush(text, { encodingAesKey, appid })
  const timestamp = String(Math.floor(at))
  const nonce = String(Math.floor(Math.random() * 1e9))
  return {
    query: {
      signature: signPush(token, timestamp, nonce),
      timestamp,
      nonce,
      openid: 'o_of_the_sender',
      encrypt_type: 'aes',
      msg_signature: signPush(token, timestamp, nonce, encrypted),
    },
    body:
      format === 'json'
        ? JSON.stringify({ ToUserName: 'gh_1', Encrypt: encrypted })
        : `<xml><ToUserName><![CDATA[gh_1]]></ToUserName><Encrypt><![CDATA[${encrypted}]]></Encrypt></xml>`,
  }
}

export async function sendPush(
  gateway: Pick<TestGateway, 'publicApp'>,
  { query, body }: Push,
  { appid = APPID, headers = {} }: { appid?: string; headers?: Record<string, string> } = {},
): Promise<{ status: number; text: string }> {
  const reply = await gateway.publicApp.request(`/platform-events/wechat/${appid}?${new URLSearchParams(query)}`, {
    method: 'POST',
    headers: { 'content-type': body.startsWith('{') ? 'application/json' : 'text/xml', ...headers },
    body,
  })
  return { status: reply.status, text: await reply.text() }
}

/** The events that were passed on so far. */
export async function passedOn({ stores }: TestGateway): Promise<Record<string, string>[]> {
  const { cache } = stores
  if ('redis' in cache) {
    const entries = await (cache.redis as Redis).xrange('platform-events', '-', '+')
    return entries.map(([, fields]) =>
      Object.fromEntries(Array.from({ length: fields.length / 2 }, (_, n) => [fields[2 * n], fields[2 * n + 1]])),
    )
  }
  const dump = (cache as unknown as { dump(): string }).dump()
  const [, streams] = JSON.parse(dump) as [unknown, [string, { entry: Record<string, string> }[]][]]
  return (streams.find(([name]) => name === 'platform-events')?.[1] ?? []).map(({ entry }) => entry)
}
