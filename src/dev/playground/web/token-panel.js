/** The access token that the phone holds, taken apart, and the public keys it can be checked with. */
import { byId, copy, element, pretty, setWord, shorten } from './dom.js'
import { knows, locale, onLanguage } from './words.js'

export function createTokenPanel() {
  let shown
  let keys = []

  async function loadKeys() {
    const reply = await fetch('/.well-known/jwks.json', { cache: 'no-store' })
    keys = reply.ok ? (await reply.json()).keys : []
    showKeys()
  }
  byId('reload-keys').addEventListener('click', () => void loadKeys())
  onLanguage(() => show(shown))
  byId('copy-token').addEventListener('click', ({ currentTarget }) => void copy(currentTarget, shown?.token ?? ''))

  /** `tokens` is what the phone has stored, `refreshes` how often this session has been renewed. */
  function show(tokens) {
    shown = tokens
    byId('token').hidden = !tokens
    byId('token-none').hidden = Boolean(tokens)
    byId('copy-token').hidden = !tokens
    showKeys()
    if (!tokens) return
    const { header, claims } = decode(tokens.token)
    byId('token-text').textContent = shorten(tokens.token)
    setWord(byId('refresh-count'), 'refreshCount', { count: String(tokens.refreshes) })
    byId('token-header').textContent = pretty(header)
    byId('claims').replaceChildren(...Object.entries(claims).flatMap(claimRow))
    if (!keys.some((key) => key.kid === header.kid)) void loadKeys()
  }

  function showKeys() {
    const current = shown && decode(shown.token).header.kid
    byId('keys').replaceChildren(
      ...keys.map(({ kid, alg, use, kty, crv }) =>
        element('li', {
          children: [
            element('code', { text: kid }),
            element('span', { class: 'small', text: [alg, kty, crv, use].filter(Boolean).join(' · ') }),
            kid === current ? element('span', { class: 'mark', word: 'signedThis' }) : undefined,
          ],
        }),
      ),
    )
  }

  return { show, loadKeys }
}

function claimRow([name, value]) {
  const time = typeof value === 'number' ? new Date(value * 1000).toLocaleTimeString(locale(), { hour12: false }) : ''
  return [
    element('dt', {
      children: [
        element('code', { text: name }),
        knows(`claim.${name}`) ? element('span', { class: 'small', word: `claim.${name}`, vars: { time } }) : undefined,
      ],
    }),
    element('dd', { text: typeof value === 'string' ? value : pretty(value) }),
  ]
}

/** For showing only: nothing is believed because of it. */
export function decode(token) {
  const [header, claims] = token.split('.').map((part, index) => (index < 2 ? parse(part) : undefined))
  return { header, claims }
}

function parse(part) {
  const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (each) => each.charCodeAt(0))
  return JSON.parse(new TextDecoder().decode(bytes))
}
