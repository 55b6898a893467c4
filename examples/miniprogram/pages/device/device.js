const auth = require('../../auth')
const message = require('../../message')

/** Whoever scans does so at once; a request that waited may be somebody else's, sent along as a picture. */
const OLD_SECONDS = 120

const words = {
  zh: {
    asks: '请求以你的身份登录',
    address: '地址',
    ago: '秒前',
    old: '这个请求已经有一会儿了：如果不是你刚刚扫的码，请拒绝',
    elsewhere: '请求来自与你的手机不同的网络：请确认设备就在你面前',
    allow: '允许登录',
    refuse: '拒绝',
    allowed: '已允许登录',
    refused: '已拒绝',
    nothing: '没有等待确认的登录',
  },
  en: {
    asks: 'asks to log in as you',
    address: 'Address',
    ago: 's ago',
    old: 'This request has waited for a while: refuse it unless you have just scanned the code yourself',
    elsewhere: 'The request comes from another network than your phone: make sure that the device is in front of you',
    allow: 'Allow',
    refuse: 'Refuse',
    allowed: 'Allowed',
    refused: 'Refused',
    nothing: 'No login waits for you',
  },
}

/** @typedef {{ client_name: string, ip: string | null, user_agent: string | null, age_seconds: number }} Asking */

/** Confirms a login on another screen: opened by scanning its mini-program code, with the user code as scene. */
Page({
  data: {
    words: words.zh,
    code: '',
    /** @type {Asking | null} */
    asking: null,
    old: false,
    elsewhere: false,
    done: '',
  },

  /** @param {{ scene?: string }} query */
  onLoad({ scene = '' }) {
    const code = decodeURIComponent(scene)
    this.setData({ code, words: /^zh/i.test(wx.getAppBaseInfo().language) ? words.zh : words.en })
    this.ask(code).catch(message)
  },

  /** @param {string} code */
  async ask(code) {
    /** @type {Asking} */
    const asking = await auth.request({ url: `/api/device?user_code=${encodeURIComponent(code)}` })
    /** @type {import('../../sdk/miniprogram').SessionItem[]} */
    const sessions = await auth.request({ url: '/api/sessions' })
    const own = sessions.find((session) => session.current)
    // A phone on mobile data is elsewhere too, so this warns and does not forbid.
    const elsewhere = !own || own.ip !== asking.ip
    this.setData({ asking, old: asking.age_seconds > OLD_SECONDS, elsewhere })
  },

  allow() {
    this.decide(true)
  },
  refuse() {
    this.decide(false)
  },

  /** @param {boolean} approve */
  decide(approve) {
    const { code, words } = this.data
    auth
      .request({ url: '/api/device', method: 'POST', data: { user_code: code, approve } })
      .then(() => this.setData({ asking: null, done: approve ? words.allowed : words.refused }), message)
  },
})
