/** The switches for bad days: some are ordered at the simulated WeChat, one at the cache, some are the phone's own. */
import { byId, element, sendJson } from './dom.js'

const EXCHANGE = '/sns/jscode2session'
const AT_WECHAT = {
  wechatBusy: { path: EXCHANGE, errcode: -1 },
  wechatSlow: { path: EXCHANGE, delayMs: 6000 },
  codeUsed: { path: EXCHANGE, errcode: 40163, times: 1 },
  userBlocked: { path: EXCHANGE, errcode: 40226 },
}
/** The two services behind the gateway. */
const SERVICES = { ordersDown: 'orders', pointsDown: 'points' }
const NAMES = [...Object.keys(AT_WECHAT), ...Object.keys(SERVICES), 'redisDown', 'offline', 'loseReply']

/** `conditions` is what the phone's `wx` reads at every call. */
export function createFaults({ conditions, onChange, onFailure }) {
  const boxes = {}
  let last = Promise.resolve()

  for (const name of NAMES) {
    const box = element('input', {
      type: 'checkbox',
      role: 'switch',
      id: `fault-${name}`,
      'aria-describedby': `fault-${name}-hint`,
      on: { change: () => order(name) },
    })
    boxes[name] = box
    byId('faults').append(
      element('li', {
        children: [
          box,
          element('label', { for: box.id, word: name }),
          element('span', { id: `fault-${name}-hint`, class: 'small', word: `${name}Hint` }),
        ],
      }),
    )
  }
  byId('clear-faults').addEventListener('click', () => clear())

  /** The phone says at once what the weather is. */
  const tell = () => onChange(NAMES.filter((name) => boxes[name].checked))

  /** One change after the other, since WeChat's are taken back together and ordered anew. */
  function order(changed) {
    tell()
    if (changed === 'offline' || changed === 'loseReply') {
      conditions[changed] = boxes[changed].checked
      return last
    }
    last = last.then(() => orderAt(changed)).catch(onFailure)
    return last
  }
  function orderAt(changed) {
    if (changed in SERVICES)
      return sendJson('PUT', `/playground/services/${SERVICES[changed]}`, { down: boxes[changed].checked })
    return changed === 'redisDown' ? orderRedis() : orderWechat()
  }
  const orderRedis = () => sendJson('PUT', '/playground/redis', { down: boxes.redisDown.checked })
  async function orderWechat() {
    await sendJson('DELETE', '/simulator/faults')
    for (const [name, fault] of Object.entries(AT_WECHAT)) {
      if (boxes[name].checked) await sendJson('POST', '/simulator/faults', fault)
    }
  }

  async function clear() {
    for (const box of Object.values(boxes)) box.checked = false
    order('offline')
    order('loseReply')
    order('redisDown')
    for (const name of Object.keys(SERVICES)) order(name)
    await order('wechatBusy')
  }

  /** What happens once is over when it has been seen. */
  function settle(exchange) {
    if (exchange.from === 'gateway' && exchange.reply?.errcode === AT_WECHAT.codeUsed.errcode) {
      boxes.codeUsed.checked = false
    }
    if (!conditions.loseReply) boxes.loseReply.checked = false
    tell()
  }

  return { clear, settle }
}
