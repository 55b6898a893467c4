/** One `auth` for the whole program: every page requires this file. */
const { createAuth } = require('./sdk/miniprogram')
const { baseURL } = require('./config')

module.exports = createAuth({ baseURL, api: wx })
