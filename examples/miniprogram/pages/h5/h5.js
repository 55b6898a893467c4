const auth = require('../../auth')
const message = require('../../message')

/** The H5 page's id in CLIENTS, and where it is; released, it is https and listed under 业务域名. */
const CLIENT = 'h5'
const PAGE = 'http://127.0.0.1:8080/playground/h5.html'

/** The program's H5 page, logged in as the user: the ticket stands in the fragment, which no server sees. */
Page({
  data: { address: '' },
  onLoad() {
    auth.ticket({ appid: CLIENT }).then(({ ticket }) => this.setData({ address: `${PAGE}#ticket=${ticket}` }), message)
  },
  failed() {
    wx.showToast({ title: '网页打不开', icon: 'none' })
  },
})
