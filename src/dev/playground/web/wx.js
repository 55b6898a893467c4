/** A `wx` for the browser: callbacks only, on fetch and localStorage, with WeChat's habits; it tells the timeline what passes through. */

/** The documented methods of wx.request; PATCH is not one of them. */
const METHODS = ['OPTIONS', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT']

/**
 * `conditions` is read at every call: { offline, loseReply }. `onTraffic(exchange)` hears of every exchange when it ends;
 * `onStored(value)` of everything the SDK keeps on the phone.
 */
export function createWx({ appid, person, language, conditions, onTraffic, onStored }) {
  const place = (key) => `phone:${person}:${key}`

  /** WeChat never calls back within the call itself. */
  const later = (given, name, outcome) =>
    setTimeout(() => {
      given[name]?.(outcome)
      given.complete?.(outcome)
    })

  async function exchange({ method, url, header, data, timeout = 60_000 }) {
    const startedAt = Date.now()
    const begun = performance.now()
    const headers = { 'content-type': 'application/json', 'accept-language': language(), ...header }
    const told = { from: 'phone', method, url, startedAt, request: { headers, body: data } }
    const end = (rest) => onTraffic({ ...told, durationMs: performance.now() - begun, ...rest })
    try {
      if (conditions.offline) throw new Error('net::ERR_INTERNET_DISCONNECTED')
      const reply = await fetch(url, {
        method,
        headers,
        body: data === undefined || data === null || method === 'GET' ? undefined : encode(data),
        cache: 'no-store',
        credentials: 'omit',
        signal: AbortSignal.timeout(timeout),
      })
      const text = await reply.text()
      const lost = conditions.loseReply
      conditions.loseReply = false
      if (lost) throw new Error('net::ERR_CONNECTION_RESET')
      const answer = { statusCode: reply.status, header: Object.fromEntries(reply.headers), data: parsed(text) }
      end({ status: reply.status, reply: { headers: answer.header, body: answer.data } })
      return answer
    } catch (error) {
      const errMsg = `request:fail ${error.name === 'TimeoutError' ? 'timeout' : error.message}`
      end({ reply: errMsg })
      throw { errMsg }
    }
  }

  return {
    request(given) {
      const { method = 'GET' } = given
      if (!METHODS.includes(method)) return later(given, 'fail', { errMsg: 'request:fail method is invalid' })
      exchange({ ...given, method }).then(
        (answer) => later(given, 'success', { ...answer, errMsg: 'request:ok' }),
        (reason) => later(given, 'fail', reason),
      )
    },

    login(given = {}) {
      const call = { method: 'POST', url: '/simulator/login', data: { appid, person }, timeout: given.timeout }
      exchange(call).then(
        ({ data }) => later(given, 'success', { code: data.code, errMsg: 'login:ok' }),
        () => later(given, 'fail', { errMsg: 'login:fail request:fail' }),
      )
    },

    requestVirtualPayment(given) {
      const { signData, paySig, signature } = given
      const data = { appid, person, signData, paySig, signature }
      exchange({ method: 'POST', url: '/simulator/virtual-payment', data }).then(
        ({ data: answer }) => later(given, answer.errCode === undefined ? 'success' : 'fail', answer),
        (reason) => later(given, 'fail', reason),
      )
    },

    checkSession: (given = {}) => later(given, 'success', { errMsg: 'checkSession:ok' }),

    getStorageSync(key) {
      const text = localStorage.getItem(place(key))
      return text === null ? '' : JSON.parse(text)
    },
    setStorageSync(key, value) {
      localStorage.setItem(place(key), JSON.stringify(value))
      onStored(value)
    },
    removeStorageSync(key) {
      localStorage.removeItem(place(key))
      onStored(undefined)
    },

    getAccountInfoSync: () => ({ miniProgram: { appId: appid, envVersion: 'develop', version: '' } }),
    getDeviceInfo: () => ({ brand: 'playground', model: `${person}’s phone` }),
  }
}

const encode = (data) => (typeof data === 'string' || data instanceof ArrayBuffer ? data : JSON.stringify(data))

/** JSON is parsed whatever its content type says, and other text left as it is. */
function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
