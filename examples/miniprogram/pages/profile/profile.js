const auth = require('../../auth')
const message = require('../../message')

/** @typedef {import('../../sdk/miniprogram').Profile} Profile */

Page({
  data: {
    /** @type {Profile | null} */
    profile: null,
    saving: false,
  },

  onLoad() {
    this.load()
  },

  load() {
    this.show(auth.request({ url: '/api/user' }))
  },

  /** The temporary file of chooseAvatar is gone with the program: it must be uploaded.
   * @param {WechatMiniprogram.CustomEvent<{ avatarUrl: string }>} event */
  chooseAvatar(event) {
    this.show(auth.upload({ filePath: event.detail.avatarUrl }))
  },

  /** WeChat checks a nickname input when it loses focus and may blank it, so its value is taken from the form's submit.
   * @param {WechatMiniprogram.FormSubmit} event */
  save(event) {
    const { nickname, signature } = event.detail.value
    const data = { nickname: nickname || null, signature: signature || null }
    this.show(auth.request({ url: '/api/user', method: 'PATCH', data }))
  },

  /** @param {Promise<Profile>} reply */
  show(reply) {
    this.setData({ saving: true })
    reply
      .then((profile) => this.setData({ profile }), message)
      .then(() => this.setData({ saving: false }))
  },
})
