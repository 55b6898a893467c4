/** The receipt of a closed account: which parts of the erasure are done, asked until all are. */
import { byId, element, setWord } from './dom.js'

const ASK_EVERY_MS = 500

export function createReceipt() {
  let shown

  async function show(receipt) {
    shown = receipt
    while (shown === receipt) {
      const reply = await fetch(`/api/erasures/${receipt}`, { cache: 'no-store' })
      const { data } = await reply.json()
      if (shown !== receipt) return
      if (data) draw(data)
      if (data?.done) return
      await new Promise((later) => setTimeout(later, ASK_EVERY_MS))
    }
  }

  function draw({ receipt_id: id, parts }) {
    const services = parts.filter(({ part }) => part === 'service')
    const done = services.filter(({ state }) => state === 'done')
    setWord(byId('receipt-id'), 'receiptId', { id })
    // Only a change is written: a screen reader hears changes.
    const count = { done: String(done.length), all: String(services.length) }
    if (byId('receipt-count').dataset.vars !== JSON.stringify(count))
      setWord(byId('receipt-count'), 'receiptCount', count)
    byId('receipt-parts').replaceChildren(
      ...parts.map(({ part, name, state }) =>
        element('li', {
          'data-state': state,
          children: [
            element('span', name ? { word: `service.${name}` } : { word: `part.${part}` }),
            element('span', { class: state === 'done' ? 'good' : 'waits', word: `state.${state}` }),
          ],
        }),
      ),
    )
    byId('receipt').hidden = false
  }

  return {
    /** Shown until it is hidden; `user`: whose account was closed. Answers whether there is one. */
    async of(user) {
      const reply = await fetch(`/playground/receipt?user=${user}`, { cache: 'no-store' })
      if (!reply.ok) return
      const { receipt_id: receipt } = await reply.json()
      void show(receipt).catch(() => undefined)
    },
    hide() {
      shown = undefined
      byId('receipt').hidden = true
    },
  }
}
