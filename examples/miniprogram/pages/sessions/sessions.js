const auth = require('../../auth')
const message = require('../../message')

/** @typedef {import('../../sdk/miniprogram').SessionItem} SessionItem */

/** The gateway's times are UTC; the user's are not.
 * @param {SessionItem} session */
const drawn = (session) => Object.assign({ lastUsed: new Date(session.last_used_at).toLocaleString() }, session)

Page({
  data: {
    /** @type {ReturnType<typeof drawn>[]} */
    sessions: [],
  },

  onShow() {
    /** @type {Promise<SessionItem[]>} */
    const reply = auth.request({ url: '/api/sessions' })
    return reply.then((sessions) => this.setData({ sessions: sessions.map(drawn) }), message)
  },

  /** @param {WechatMiniprogram.TouchEvent} event */
  end(event) {
    const { sid } = event.currentTarget.dataset
    auth.request({ url: `/api/sessions/${sid}`, method: 'DELETE' }).then(() => this.onShow(), message)
  },

  endOthers() {
    auth.request({ url: '/api/sessions?scope=others', method: 'DELETE' }).then(() => this.onShow(), message)
  },

  logout() {
    auth.logout().then(() => wx.navigateBack(), message)
  },
})
