/**
 * A shop that takes payments, sends messages and reads phone numbers, and holds neither session_key nor AppSecret: the gateway's internal
 * listener lends what is made with them.
 */
import { createHash, createHmac } from 'node:crypto'
import { createServer } from 'node:http'

const {
  GATEWAY_INTERNAL = 'http://127.0.0.1:9090',
  /** With the scopes sign, credential and open-data, each for this app alone where that is possible. */
  GATEWAY_TOKEN = '',
  WECHAT_API = 'https://api.weixin.qq.com',
  APPID = '',
  /** Of virtual payment; the payment service's own. */
  APP_KEY = '',
  PORT = '3000',
} = process.env

async function gateway(path: string, body: object) {
  const reply = await fetch(`${GATEWAY_INTERNAL}/internal/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${GATEWAY_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const answer = (await reply.json()) as { code: string; msg: string; data: Record<string, string> }
  // A0240: the program is to call wx.login and let the user tap again.
  if (answer.code !== '00000') throw Object.assign(new Error(answer.msg), { code: answer.code, status: reply.status })
  return answer.data
}

/** What the program hands to wx.requestVirtualPayment, the strings as they are. */
async function pay({ user_id, product }: Record<string, string>) {
  const data = JSON.stringify({
    ...{ offerId: '123', buyQuantity: 1, env: 0, currencyType: 'CNY', productId: product, goodsPrice: 600 },
    outTradeNo: `order-${Date.now()}`,
  })
  const signed = await gateway('user-signature', { user_id, appid: APPID, data, verify: true })
  const paySig = createHmac('sha256', APP_KEY).update(`requestVirtualPayment&${signed.data}`).digest('hex')
  return { signData: signed.data, mode: 'short_series_goods', paySig, signature: signed.signature }
}

/** Sends with the platform credential; after 40001 reports it and tries once more. */
async function notify({ openid = '', text = '' }: Record<string, string>, refused?: string): Promise<object> {
  const { access_token } = await gateway('platform-credential', { appid: APPID, ...(refused && { refused }) })
  const reply = await fetch(`${WECHAT_API}/cgi-bin/message/subscribe/send?access_token=${access_token}`, {
    method: 'POST',
    body: JSON.stringify({ touser: openid, template_id: 'ready', data: { thing1: { value: text } } }),
  })
  const answer = (await reply.json()) as { errcode: number }
  if (answer.errcode === 40001 && !refused)
    return await notify(
      { openid, text },
      createHash('sha256')
        .update(access_token ?? '')
        .digest('hex'),
    )
  return answer
}

const phone = ({ user_id, encryptedData, iv }: Record<string, string>) =>
  gateway('open-data', { user_id, appid: APPID, encryptedData, iv })

const acts: Record<string, (body: Record<string, string>) => Promise<object>> = {
  '/pay': pay,
  '/notify': (body) => notify(body),
  '/phone': phone,
}

createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const act = acts[request.url ?? '']
  try {
    if (!act) throw Object.assign(new Error('no such path'), { status: 404 })
    response.end(JSON.stringify(await act(JSON.parse(Buffer.concat(chunks).toString() || '{}'))))
  } catch (error) {
    const { message, code, status = 500 } = error as Error & { code?: string; status?: number }
    response.writeHead(status).end(JSON.stringify({ error: message, code }))
  }
}).listen(Number(PORT), '127.0.0.1')
