const auth = require('../../auth')
const { shopURL } = require('../../config')
const message = require('../../message')

/** @typedef {{ id: number, title: string }} Order */
/** @typedef {{ signData: string, mode: 'short_series_goods', paySig: string, signature: string }} Payment */

/** WeChat's own refusal of a signature under another session_key than its current one. */
const STALE_KEY = -15005

/** A purchase by virtual payment: the shop has the order signed by the gateway, since this program holds no session_key. */
Page({
  data: {
    /** @type {Order[]} */
    orders: [],
    paying: false,
    done: '',
  },

  onLoad() {
    this.show().catch(message)
  },

  async show() {
    /** @type {{ orders: Order[] }} */
    const { orders } = await auth.request({ url: `${shopURL}/orders` })
    this.setData({ orders })
  },

  buy() {
    this.setData({ paying: true, done: '' })
    this.payOrRenew()
      .then(() => this.show())
      .then(() => this.setData({ done: '支付成功' }))
      .catch((error) => {
        if (!error.errMsg) return message(error)
        wx.showToast({ title: '支付未完成', icon: 'none' })
      })
      .then(() => this.setData({ paying: false }))
  },

  /** The shop finds a stale key before WeChat does (A0240), or WeChat refuses it: a login anew renews it, and the order is signed again. */
  async payOrRenew() {
    try {
      await this.pay()
    } catch (error) {
      const { code, errCode } = /** @type {{ code?: string, errCode?: number }} */ (error)
      if (code !== 'A0240' && errCode !== STALE_KEY) throw error
      await auth.login({ force: true })
      await this.pay()
    }
  },

  async pay() {
    /** @type {Payment} */
    const order = await auth.request({ url: `${shopURL}/pay`, method: 'POST', data: {} })
    await new Promise((success, fail) => {
      // The typings want an object; its documentation, and WeChat, a text, which was signed as it is.
      wx.requestVirtualPayment({ ...order, signData: /** @type {any} */ (order.signData), success, fail })
    })
  },
})
