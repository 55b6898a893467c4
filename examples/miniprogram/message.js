/** What a page tells its user about a failure: the error's own words, which the gateway writes for users. */
const { AuthError } = require('./sdk/miniprogram')

/** @param {unknown} error */
module.exports = (error) => {
  if (!(error instanceof AuthError)) throw error
  console.warn(error.code, error.msg, error.requestId)
  // The SDK has renewed what was stale; the payload itself can only come from another tap.
  wx.showToast({ title: error.tapAgain ? '请再点一次' : error.msg, icon: 'none' })
}
