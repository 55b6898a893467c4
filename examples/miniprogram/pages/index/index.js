const auth = require('../../auth')
const message = require('../../message')

Page({
  data: {
    user: auth.user(),
    phone: '',
  },
  /** @type {() => void} */
  stop() {},

  onLoad() {
    this.stop = auth.onChange((user) => this.setData({ user }))
    // Before the user can tap: an old base library's phone button gives encrypted data, which only a current session_key opens.
    auth.prepareEncryptedData().catch(message)
  },

  onUnload() {
    this.stop()
  },

  login() {
    auth.login().catch(message)
  },

  /** @param {WechatMiniprogram.ButtonGetPhoneNumber} event */
  bindPhone(event) {
    auth.bindPhone(event).then((profile) => this.setData({ phone: profile.phone || '' }), message)
  },
})
