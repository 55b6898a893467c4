const auth = require('../../auth')
const message = require('../../message')

/** @typedef {import('../../sdk/miniprogram').SessionItem} SessionItem */

Page({
  data: {
    /** @type {SessionItem[]} */
    sessions: [],
  },

  onShow() {
    return auth
      .request({ url: '/api/sessions' })
      .then((sessions) => this.setData({ sessions: /** @type {SessionItem[]} */ (sessions) }))
      .catch(message)
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
