/** QQ mini programs: WeChat's code2Session under another host (a copy of q.qq.com's document: w3cschool.cn/qqxiaochengxu/qqxiaochengxu-c5fl3875.html). */
import { fetchJson } from './fetch-json.ts'
import type { Platform } from './platform.ts'
import { type PageParts, type Refusals, readIdentity, refused } from './reply.ts'
import { WHOLE_TIMEOUT_MS } from './time-budget.ts'

/** All that the document lists; what it says to a wrong secret is not published. */
const refusals: Refusals = { '-1': 'system_busy', 40029: 'code_invalid', 45011: 'rate_limited' }

export function createQq({ send, apiBase = 'https://api.q.qq.com' }: PageParts): Platform {
  const operation = 'qq.code2Session'
  return {
    name: 'qq',
    async exchange({ appid, secret }, code) {
      const query = new URLSearchParams({ appid, secret, js_code: code, grant_type: 'authorization_code' })
      const reply = await fetchJson(send, {
        operation,
        method: 'GET',
        url: `${apiBase}/sns/jscode2session?${query}`,
        timeoutMs: WHOLE_TIMEOUT_MS,
      })
      // A refusal was seen with every other member there and empty, so the code comes first.
      if (Number(reply.errcode ?? 0) !== 0) throw refused(operation, refusals, reply.errcode)
      return readIdentity(operation, { openid: reply.openid, sessionKey: reply.session_key, unionid: reply.unionid })
    },
  }
}
