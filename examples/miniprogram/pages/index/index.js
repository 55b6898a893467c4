const auth = require('../../auth')
const message = require('../../message')

/** @typedef {import('../../sdk/miniprogram').Profile} Profile */

Page({
  data: {
    user: auth.user(),
    nickname: '',
    phone: '',
  },
  /** @type {() => void} */
  stop() {},

  onLoad() {
    this.stop = auth.onChange(() => this.show())
    // The silent login too. Before the user can tap: an old base library's phone button gives encrypted data, which only a
    // current session_key opens. Who logged out sees the login button, not an error.
    auth.prepareEncryptedData().catch((error) => error.code === 'LOGGED_OUT' || message(error))
  },

  /** Also on the way back from the profile, where the nickname may have changed. */
  onShow() {
    this.show()
  },

  onUnload() {
    this.stop()
  },

  show() {
    const user = auth.user()
    this.setData({ user })
    if (!user) return this.setData({ nickname: '', phone: '' })
    /** @type {Promise<Profile>} */
    const reply = auth.request({ url: '/api/user' })
    reply.then((profile) => this.draw(profile), message)
  },

  login() {
    auth.login().catch(message)
  },

  /** @param {WechatMiniprogram.ButtonGetPhoneNumber} event */
  bindPhone(event) {
    auth.bindPhone(event).then((profile) => this.draw(profile), message)
  },

  /** @param {Profile} profile */
  draw({ nickname, phone }) {
    this.setData({ nickname: nickname || '', phone: phone || '' })
  },
})
