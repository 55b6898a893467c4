/** A page on a PC that logs in by the device flow (RFC 8628), as any client of it would. */
const byId = (id) => document.getElementById(id)
const say = (text) => {
  byId('status').textContent = text
}
const post = async (path, fields) => {
  const reply = await fetch(path, { method: 'POST', body: new URLSearchParams(fields) })
  return await reply.json()
}

const { device_code, user_code, qr_code_uri, interval } = await post('/oauth2/device_authorization', {
  client_id: 'pc',
})
byId('picture').src = new URL(qr_code_uri).pathname
byId('code').textContent = user_code
say('请用手机扫码 Scan it with the phone')
// The playground's phone, in the window beside, has no camera: the picture is told to it.
new BroadcastChannel('playground').postMessage({ userCode: user_code })
await poll(interval)

async function poll(seconds) {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  const grant = 'urn:ietf:params:oauth:grant-type:device_code'
  const reply = await post('/oauth2/token', { grant_type: grant, client_id: 'pc', device_code })
  if (reply.error === 'authorization_pending') return await poll(seconds)
  if (reply.error === 'slow_down') return await poll(seconds + 5)
  if (reply.error) return say(reply.error)
  const user = await fetch('/api/user', { headers: { authorization: `Bearer ${reply.access_token}` } })
  byId('who').textContent = (await user.json()).data.user_id
  say('已登录 Logged in')
}
