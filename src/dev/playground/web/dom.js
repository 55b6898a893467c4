/** The few steps from data to elements; text goes in as text only, so nothing a server says can become markup. */
import { translate } from './words.js'

/** `word` and `label` name entries of words.js, so that the element follows a change of language. */
export function element(tag, { word, vars, label, text, children = [], on = {}, ...attributes } = {}) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : value)
  }
  if (text !== undefined) made.textContent = text
  if (label) made.dataset.label = label
  if (word) setWord(made, word, vars)
  else if (label) translate(made)
  for (const [name, listener] of Object.entries(on)) made.addEventListener(name, listener)
  made.append(...children.filter(Boolean))
  return made
}

/** Gives an element words of the page's language, now and after every change of language. */
export function setWord(target, word, vars = {}) {
  target.dataset.word = word
  target.dataset.vars = JSON.stringify(vars)
  translate(target)
}

/** Gives an element words that are nobody's to translate, such as a server's own message. */
export function setText(target, text) {
  delete target.dataset.word
  target.textContent = text
}

export const byId = (id) => document.getElementById(id)

const LONGEST_SHOWN = 48

/** Tokens in full say nothing to the eye, and a screenshot of them may be replayed. */
export function shorten(value) {
  if (typeof value === 'string') {
    const [, scheme = '', rest = value] = /^(Bearer )?(.*)$/s.exec(value) ?? []
    const secret = rest.length > LONGEST_SHOWN && /^[\w.~+/=-]+$/.test(rest)
    return secret ? `${scheme}${rest.slice(0, 10)}…${rest.slice(-6)} (${rest.length})` : value
  }
  if (Array.isArray(value)) return value.map(shorten)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shorten(each)]))
}

/** Copies text, and says on the button for a moment whether that worked. */
export async function copy(button, text) {
  const { word } = button.dataset
  const worked = await navigator.clipboard.writeText(text).then(
    () => true,
    () => false,
  )
  setWord(button, worked ? 'copied' : 'notCopied')
  setTimeout(() => setWord(button, word), 1500)
}

export const pretty = (value) => JSON.stringify(shorten(value), null, 2)

export async function sendJson(method, path, body) {
  const reply = await fetch(path, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (!reply.ok) throw new Error(`${method} ${path} answered ${reply.status}`)
  return reply.status === 204 ? undefined : reply.json()
}
