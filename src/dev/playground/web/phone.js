/** The mini program on the phone: a page that uses the SDK as any mini program would, and two ways to put the gateway to the test. */
import { byId, element, setText, setWord } from './dom.js'
import { createReceipt } from './receipt.js'
import { createScan } from './scan.js'
import { createAuth } from './sdk.js'
import { createShop } from './shop.js'
import { decode } from './token-panel.js'
import { createWechatSettings } from './wechat-settings.js'
import { knows, languageName, locale, onLanguage, say } from './words.js'
import { createWx } from './wx.js'

/** A replay is certain with the refresh token before the one before: the one before may be a lost reply. */
const REPLAYABLE = 3

/** `features` says what this gateway can do beyond logging in; `onTokens` hears what the phone holds, `onEnded` of a session's end. */
export function createPhone({ appid, features, conditions, onTraffic, onTokens, onEnded }) {
  let aheadMs = 0
  let wx
  let auth
  /** Every refresh token of the session under way, oldest first, and the newest tokens. */
  let generations = []
  let tokens
  let weather = []
  let countdown
  let holder
  const receipt = createReceipt()

  function pickUp(person) {
    holder = person
    receipt.hide()
    generations = []
    wx = createWx({ appid, person, language: languageName, conditions, onTraffic, onStored: stored })
    const clock = { now: () => Date.now() + aheadMs, sleep: (ms) => new Promise((done) => setTimeout(done, ms)) }
    auth = createAuth({ baseURL: location.origin, api: wx, clock })
    const id = `auth:${location.origin}:${appid}`
    stored(wx.getStorageSync(id) || undefined)
    tell()
    showUser()
  }

  function stored(value) {
    const before = tokens
    tokens = value?.token ? value : undefined
    const goesOn = tokens && before && sessionOf(before) === sessionOf(tokens)
    if (!goesOn) generations = []
    if (tokens && generations.at(-1) !== tokens.refresh_token) generations.push(tokens.refresh_token)
    onTokens(tokens && { ...tokens, refreshes: generations.length - 1 })
    queueMicrotask(showUser)
  }

  function showUser(profile) {
    const user = auth.user()
    if (user) receipt.hide()
    const nickname = profile?.nickname ?? user?.nickname
    byId('signed-in').hidden = !user
    byId('login').hidden = Boolean(user)
    showWeather()
    byId('avatar').textContent = user ? (nickname ?? say('noNickname')).slice(0, 1) : '茶'
    if (!user) setWord(byId('user-name'), 'welcome')
    else if (nickname) setText(byId('user-name'), nickname)
    else setWord(byId('user-name'), 'noNickname')
    if (user) setWord(byId('user-id'), 'userId', { id: `${user.user_id.slice(0, 8)}…` })
    else setWord(byId('user-id'), 'signedOutHint')
  }

  function showWeather(faults = weather) {
    weather = faults
    const text = weather.map((name) => say(name)).join('、')
    if (weather.length === 0) setText(byId('weather'), '')
    else setWord(byId('weather'), auth?.user() ? 'weatherIn' : 'weatherOut', { faults: text })
  }

  function tell(word, vars) {
    clearInterval(countdown)
    setText(byId('failure'), '')
    if (word) setWord(byId('message'), word, vars)
    else setText(byId('message'), '')
  }

  function fail(error) {
    clearInterval(countdown)
    setText(byId('message'), '')
    // wx itself says errMsg.
    const { code, msg = error.errMsg ?? String(error), retryAfter } = error
    if (retryAfter > 0) countDown({ code, msg, retryAfter })
    else if (knows(`sdk.${code}`)) setWord(byId('failure'), `sdk.${code}`)
    else setText(byId('failure'), code ? say('failed', { msg, code }) : msg)
  }

  /** The SDK asks nobody until then; without a word that looks like a dead button, and the timeline would show nothing. */
  function countDown({ code, msg, retryAfter }) {
    const over = performance.now() + retryAfter * 1000
    onTraffic({
      from: 'sdk',
      method: 'FUSE',
      url: location.href,
      startedAt: Date.now(),
      durationMs: 0,
      reply: { code, msg, retryAfter },
    })
    const show = () => {
      const seconds = Math.ceil((over - performance.now()) / 1000)
      if (seconds > 0) return setWord(byId('failure'), 'fuse', { code, msg, seconds: String(seconds) })
      tell('fuseOver')
    }
    show()
    countdown = setInterval(show, 1000)
  }

  /** Each button waits for its own work; what comes of it is said in one place. */
  function on(id, work, event = 'click') {
    const target = byId(id)
    target.addEventListener(event, async (happened) => {
      happened.preventDefault()
      if (target.getAttribute('aria-disabled') === 'true') return
      target.setAttribute('aria-disabled', 'true')
      tell('working')
      try {
        await work()
      } catch (error) {
        fail(error)
      } finally {
        target.removeAttribute('aria-disabled')
      }
    })
  }

  /** The SDK renews a token by its age alone, so the phone's clock goes forward. */
  async function letTokenExpire() {
    aheadMs += (tokens?.expires_in ?? 0) * 1000
    await auth.login()
  }

  /** As wx.request, as a promise: what a thief, or a double tap, would send. */
  const send = (path, data) =>
    new Promise((success, fail) => {
      wx.request({ url: location.origin + path, method: 'POST', data, success, fail })
    })

  on('login', async () => {
    const { is_new_user: isNew } = await auth.login()
    // The button that had the focus is gone.
    byId('orders').focus()
    tell(isNew ? 'loggedInNew' : 'loggedIn')
    await showSessions()
  })

  /** A fresh code, whatever the tokens' age: what a fault does to a login is seen at once. */
  on('login-again', async () => {
    const code = await freshCode()
    await auth.login({ code })
    tell('loggedIn')
    await showSessions()
  })

  const freshCode = () =>
    new Promise((resolve, reject) => {
      wx.login({ success: (answer) => resolve(answer.code), fail: () => reject({ code: 'LOGIN_FAILED' }) })
    })

  on('refresh', async () => {
    await letTokenExpire()
    tell('refreshed')
  })

  on('logout', async () => {
    const { token } = tokens
    await auth.logout()
    byId('login').focus()
    tell('loggedOut')
    onEnded(token)
  })

  on('double-tap', async () => {
    const code = await freshCode()
    const [, second] = await Promise.all([auth.login({ code }), send('/api/login', { code, appid })])
    const same = second.data?.data?.refresh_token === tokens.refresh_token
    tell(same ? 'twiceSame' : 'twiceOther')
  })

  on('stolen', async () => {
    await auth.login()
    while (generations.length < REPLAYABLE) await letTokenExpire()
    const { token } = tokens
    const { statusCode, data } = await send('/api/refresh', { refresh_token: generations[0] })
    if (statusCode !== 401) return tell('replayMissed')
    tell('replayCaught', { code: data.code })
    onEnded(token)
  })

  on(
    'nickname-form',
    async () => {
      const nickname = byId('nickname').value.trim() || null
      showUser(await auth.request({ url: '/api/user', method: 'PATCH', data: { nickname } }))
      tell('saved')
    },
    'submit',
  )

  async function showSessions() {
    if (!features.sessions || !auth.user()) return
    const sessions = await auth.request({ url: '/api/sessions' })
    byId('session-list').replaceChildren(...sessions.map(sessionRow))
  }

  function sessionRow({ sid, device, current, last_used_at: usedAt, ip }) {
    const name = device ?? say('unnamedDevice')
    const end = async () => {
      try {
        await auth.request({ url: `/api/sessions/${sid}`, method: 'DELETE' })
        await showSessions()
        tell('sessionEnded')
      } catch (error) {
        fail(error)
      }
    }
    const action = current
      ? element('span', { class: 'mark', word: 'thisDevice' })
      : element('button', {
          type: 'button',
          word: 'endSession',
          label: 'endSessionOf',
          vars: { device: name },
          on: { click: end },
        })
    const time = new Date(usedAt).toLocaleString(locale(), { dateStyle: 'short', timeStyle: 'short' })
    const facts = element('span', { class: 'small', word: 'sessionFacts', vars: { time, ip: ip ?? say('noAddress') } })
    const what = element('span', { class: 'session-facts', children: [element('span', { text: name }), facts] })
    return element('li', { children: [what, action] })
  }

  const parts = { on, tell, send, request: (given) => auth.request(given), tokens: () => tokens, holder: () => holder }
  createWechatSettings({
    ...parts,
    appid,
    bindPhone: (event) => auth.bindPhone(event),
    getWith: (token, path) =>
      new Promise((success, fail) => {
        wx.request({ url: location.origin + path, header: { Authorization: `Bearer ${token}` }, success, fail })
      }),
    async onClosed(token) {
      await receipt.of(decode(token).claims.sub)
      await auth.logout().catch(() => undefined)
      byId('login').focus()
      onEnded(token)
    },
  })
  createScan({ ...parts, fail })
  createShop({
    ...parts,
    login: (how) => auth.login(how),
    pay: (order) =>
      new Promise((success, fail) => {
        wx.requestVirtualPayment({ ...order, success, fail })
      }),
  })

  byId('nickname-form').hidden = !features.profile
  byId('sessions').hidden = !features.sessions
  onLanguage(() => {
    showUser()
    showWeather()
    void showSessions().catch(fail)
  })

  return { pickUp, showWeather, showSessions: () => showSessions().catch(fail) }
}

/** A refresh goes on with the same session, and its access token says so. */
const sessionOf = ({ token }) => decode(token).claims.sid
