module.exports = {
  /** Where the gateway is. In a released program this is https, and listed under request 合法域名. */
  baseURL: 'http://127.0.0.1:8080',
}
