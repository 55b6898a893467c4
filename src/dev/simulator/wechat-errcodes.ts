/** WeChat's refusals as it words them: the errcode, an errmsg, and the `rid` that its support asks for. */
import { randomBytes } from 'node:crypto'

/** A body on its way out; JSON, whatever Content-Type WeChat serves it as. */
export type Answer = Record<string, unknown>

const ERRMSG: Record<number, string> = {
  [-1]: 'system error',
  40001: 'invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken',
  40002: 'invalid grant_type',
  40003: 'invalid openid',
  40013: 'invalid appid',
  40014: 'invalid access_token',
  40029: 'invalid code',
  40066: 'invalid url',
  40097: 'invalid args',
  40125: 'invalid appsecret',
  40129: 'invalid scene',
  40163: 'code been used',
  40164: 'invalid ip 127.0.0.1, not in whitelist',
  40226: 'code blocked',
  40243: 'invalid appsecret, appsecret is frozen',
  41001: 'access_token missing',
  41002: 'appid missing',
  41004: 'appsecret missing',
  41008: 'missing code',
  42001: 'access_token expired',
  43001: 'require GET method',
  43002: 'require POST method',
  43104: 'appid not match openid',
  44002: 'empty post data',
  45002: 'content size out of limit',
  45009: 'reach max api daily quota limit',
  45011: 'api minute-quota reach limit  must slower  retry next minute',
  47001: 'data format error',
  48001: 'api unauthorized',
  50002: 'user limited',
  61010: 'code is expired',
  87008: 'invalid sig_method',
  87009: 'invalid signature',
}

export function refusal(errcode: number, errmsg = ERRMSG[errcode] ?? 'error'): Answer {
  return { errcode, errmsg: `${errmsg}, rid: ${rid()}` }
}

function rid(): string {
  return [4, 4, 4].map((length) => randomBytes(length).toString('hex')).join('-')
}
