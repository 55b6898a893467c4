module.exports = {
  /** Where the gateway is. In a released program this is https, and listed under request 合法域名. */
  baseURL: 'http://127.0.0.1:8080',
  /** The shop: a service behind the gateway that takes payments. This one is part of `npm run dev`. */
  shopURL: 'http://127.0.0.1:8080/playground/business',
}
