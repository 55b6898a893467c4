/** The page's beginning: asks what this gateway is and can do, then joins phone, timeline, switches and panels. */
import { byId, sendJson, setWord } from './dom.js'
import { createFaults } from './faults.js'
import { createPhone } from './phone.js'
import { createTimeline } from './timeline.js'
import { createTokenPanel } from './token-panel.js'
import { createVerifierPanel } from './verifier-panel.js'
import { languageName, locale, setLanguage } from './words.js'

const remembered = (name) => localStorage.getItem(`playground:${name}`)
const remember = (name, value) => localStorage.setItem(`playground:${name}`, value)

function chooseTheme(dark) {
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
  byId('theme').setAttribute('aria-pressed', String(dark))
}

const systemIsDark = matchMedia('(prefers-color-scheme: dark)')
const themeNow = () => (remembered('theme') ? remembered('theme') === 'dark' : systemIsDark.matches)
chooseTheme(themeNow())
systemIsDark.addEventListener('change', () => chooseTheme(themeNow()))
byId('theme').addEventListener('click', () => {
  remember('theme', themeNow() ? 'light' : 'dark')
  chooseTheme(themeNow())
})

setLanguage(remembered('language') ?? (/^zh\b/i.test(navigator.language) ? 'zh' : 'en'))
byId('language').addEventListener('click', () => {
  remember('language', languageName() === 'zh' ? 'en' : 'zh')
  setLanguage(remembered('language'))
})

function showPhoneTime() {
  byId('phone-time').textContent = new Date().toLocaleTimeString(locale(), { timeStyle: 'short' })
}
showPhoneTime()
setInterval(showPhoneTime, 10_000)

/** On a narrow screen one part at a time; on a wide one the choice shows nothing. */
function chooseTab(name) {
  document.body.dataset.tab = name
  for (const tab of document.querySelectorAll('[data-tab]:not(body)'))
    tab.setAttribute('aria-pressed', String(tab.dataset.tab === name))
}
chooseTab('phone')
for (const tab of document.querySelectorAll('[data-tab]:not(body)'))
  tab.addEventListener('click', () => chooseTab(tab.dataset.tab))

const [facts, api] = await Promise.all([sendJson('GET', '/playground/facts'), sendJson('GET', '/openapi.json')])
const features = {
  profile: Boolean(api.paths['/api/user']?.patch),
  sessions: Boolean(api.paths['/api/sessions']?.get),
}
/** What is wrong with the phone itself; the switches write, `wx` reads. */
const conditions = { offline: false, loseReply: false }

let phone
const timeline = createTimeline()
const tokenPanel = createTokenPanel()
const faults = createFaults({
  conditions,
  onChange: (faults) => phone?.showWeather(faults),
  onFailure: () => setWord(byId('failure'), 'faultFailed'),
})
const verifierPanel = createVerifierPanel({ ...facts, onJournal: (entries) => entries.forEach(tell) })
phone = createPhone({
  appid: facts.appid,
  features,
  conditions,
  onTraffic(exchange) {
    tell(exchange)
    void verifierPanel.ask()
  },
  onTokens(tokens) {
    tokenPanel.show(tokens)
    verifierPanel.watch(tokens?.token)
    if (tokens) verifierPanel.forgetEnded(tokens.token)
  },
  onEnded: (token) => verifierPanel.sessionEnded(token),
})

function tell(exchange) {
  timeline.add(exchange)
  faults.settle(exchange)
}

// The server may still have the faults of another visit.
await faults.clear()
byId('person').value = remembered('person') ?? 'alice'
byId('person').addEventListener('change', () => {
  remember('person', byId('person').value)
  phone.pickUp(byId('person').value)
  void phone.showSessions()
})
phone.pickUp(byId('person').value)
await Promise.all([phone.showSessions(), verifierPanel.ask(), tokenPanel.loadKeys()])
document.documentElement.dataset.ready = ''
