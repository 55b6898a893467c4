/** The list of everything that was asked and answered, newest first, each with its request and reply to open. */
import { byId, copy, element, pretty, setWord } from './dom.js'
import { locale, onLanguage } from './words.js'

const KEPT = 150

export function createTimeline() {
  const list = byId('timeline')
  const announcer = byId('announcer')

  byId('clear-timeline').addEventListener('click', () => {
    list.replaceChildren()
    byId('timeline-empty').hidden = false
  })
  onLanguage(() => {
    for (const time of list.querySelectorAll('time')) time.textContent = clockTime(Number(time.dataset.at))
  })

  function add({ from, method, url, status, startedAt, durationMs, request, reply }) {
    const call = callOf(method, url, from)
    const good = status < 400 && !reply?.errcode
    const curl = from === 'phone' ? curlOf({ method, url, request }) : undefined
    const item = element('li', {
      class: `entry by-${from}${status === 304 ? ' unchanged' : ''}`,
      children: [
        element('details', {
          children: [
            element('summary', {
              children: [
                element('time', { 'data-at': String(startedAt), text: clockTime(startedAt) }),
                element('span', { class: 'from', word: `from.${from}` }),
                element('span', { class: 'call', text: call }),
                from === 'sdk'
                  ? element('span', { class: 'status bad', text: reply.code })
                  : status === undefined
                    ? element('span', { class: 'status bad', word: 'noReply' })
                    : element('span', { class: `status ${good ? 'good' : 'bad'}`, text: codeOf(status, reply) }),
                element('span', { class: 'took', text: `${Math.round(durationMs)} ms` }),
              ],
            }),
            ...part('address', from === 'gateway' ? url : undefined),
            ...part('request', request),
            ...part('reply', reply),
            curl &&
              element('button', {
                type: 'button',
                class: 'quiet copy',
                word: 'copyCurl',
                on: { click: ({ currentTarget }) => void copy(currentTarget, curl) },
              }),
          ],
        }),
      ],
    })
    item.startedAt = startedAt
    // What the server saw is fetched a little later than what the phone saw.
    const next = [...list.children].find((other) => other.startedAt <= startedAt)
    list.insertBefore(item, next ?? null)
    while (list.children.length > KEPT) list.lastElementChild.remove()
    byId('timeline-empty').hidden = true
    if (from === 'phone') setWord(announcer, 'heard', { call, status: status ?? '—' })
  }

  return { add }
}

const part = (word, value) =>
  value === undefined
    ? []
    : [element('h3', { word }), element('pre', { text: typeof value === 'string' ? value : pretty(value) })]

/** As a terminal takes it; tokens are in full, since a shortened one is of no use. */
function curlOf({ method, url, request }) {
  const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`
  const headers = Object.entries(request?.headers ?? {}).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`)
  const body =
    request?.body === undefined
      ? []
      : [`-d ${quoted(typeof request.body === 'string' ? request.body : JSON.stringify(request.body))}`]
  return ['curl', '-s', `-X ${method}`, quoted(new URL(url, location.href).href), ...headers, ...body].join(' ')
}

/** The gateway's own code says more than the HTTP status alone. */
function codeOf(status, reply) {
  const code = reply?.body?.code
  if (/^[A-Z]\d{4}$/.test(code)) return `${status} ${code}`
  const errcode = reply?.errcode
  return errcode ? `${status} errcode ${errcode}` : `${status}`
}

/** The path alone: what is in a query can be seen by opening the entry. */
function callOf(method, url, from) {
  if (from === 'sdk') return method.toLowerCase()
  const { pathname } = new URL(url, location.href)
  return from === 'phone' && pathname === '/simulator/login' ? 'wx.login' : `${method} ${pathname}`
}

const clockTime = (at) =>
  new Date(at).toLocaleTimeString(locale(), { hour12: false, hour: '2-digit', minute: '2-digit', second: '2-digit' })
