/** What the person does in WeChat's own settings, which the mini program does not see: WeChat pushes it to the gateway. */

export function createWechatSettings({ on, tell, send, request, tokens, holder, appid, bindPhone, getWith, onClosed }) {
  on('give-phone', async () => {
    const { code } = await inWechat('/simulator/phone-code')
    const { phone } = await bindPhone({ detail: { code, errMsg: 'getPhoneNumber:ok' } })
    tell('phoneGiven', { phone })
  })

  on('withdraw-phone', async () => {
    if (!taken(await inWechat('/simulator/withdraw', { what: ['phone'] }))) return
    const done = await until(async () => (await request({ url: '/api/user' })).phone === null)
    tell(done ? 'phoneWithdrawn' : 'pushSlow')
  })

  on('close-account', async () => {
    const { token } = tokens()
    if (!taken(await inWechat('/simulator/close-account'))) return
    let code
    const done = await until(async () => {
      code = (await getWith(token, '/api/user')).data.code
      return code !== '00000'
    })
    if (!done) return tell('pushSlow')
    await onClosed(token)
    tell('accountClosed', { code })
  })

  async function inWechat(path, more = {}) {
    const { data } = await send(path, { appid, person: holder(), ...more })
    return data
  }

  function taken({ answer, status, error }) {
    if (answer === 'success') return true
    tell('pushRefused', { reason: error ?? String(status ?? '—') })
    return false
  }
}

async function until(done) {
  for (let tries = 0; tries < 20; tries += 1) {
    if (await done()) return true
    await new Promise((later) => setTimeout(later, 250))
  }
  return false
}
