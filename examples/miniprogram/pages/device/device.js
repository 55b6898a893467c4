const auth = require('../../auth')
const message = require('../../message')

/** Whoever scans does so at once; a request that waited may be somebody else's, sent along as a picture. */
const OLD_SECONDS = 120

/** @typedef {{ client_name: string, ip: string | null, user_agent: string | null, age_seconds: number }} Asking */

/** Confirms a login on another screen: opened by scanning its mini-program code, with the user code as scene. */
Page({
  data: {
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
    this.setData({ code })
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
    const { code } = this.data
    auth
      .request({ url: '/api/device', method: 'POST', data: { user_code: code, approve } })
      .then(() => this.setData({ asking: null, done: approve ? '已允许登录' : '已拒绝' }), message)
  },
})
