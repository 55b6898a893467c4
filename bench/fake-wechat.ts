/** A WeChat that costs almost nothing, so that the benchmark measures its callers: the code `u<number>…` is user number's. */

import { hash } from 'node:crypto'
import { createServer } from 'node:http'

const SESSION_KEY = Buffer.alloc(16, 7).toString('base64')

/** Set by the parent: how long every answer takes. */
let delayMs = 0
process.on('message', (message: { delayMs: number }) => {
  delayMs = message.delayMs
  process.send?.({ delayMs })
})

/** As scattered as real ones, since an index feels the difference; population.ts makes the same. */
const openidOf = (user: string) => `o${hash('md5', user).slice(0, 27)}`

const server = createServer((request, response) => {
  const user = /[?&]js_code=u(\d+)/.exec(request.url ?? '')?.[1]
  const body =
    user === undefined
      ? '{"errcode":40029,"errmsg":"invalid code"}'
      : `{"session_key":"${SESSION_KEY}","openid":"${openidOf(user)}"}`
  const answer = () => {
    // WeChat labels its JSON text/plain.
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length })
    response.end(body)
  }
  if (delayMs === 0) answer()
  else setTimeout(answer, delayMs)
})
server.keepAliveTimeout = 600_000
server.listen(Number(process.env.PORT), '127.0.0.1', () => process.send?.({ listening: true }))
