/** Tells of sessions that ended with their parent: a trigger ends them, whoever ended the parent and why, so no request can tell it. */
import type { OnSessionsEnded } from './session-ended.ts'
import type { ChildEndStore } from './store.ts'

const LOOK_EVERY_MS = 1000
const PAGE_ROWS = 500

export function createChildEnds({ store, onEnded }: { store: ChildEndStore; onEnded: OnSessionsEnded }) {
  async function tell(): Promise<void> {
    for (;;) {
      const ended = await store.take(PAGE_ROWS)
      onEnded(ended, 'parent_ended')
      if (ended.length < PAGE_ROWS) return
    }
  }
  return { jobs: [{ name: 'child-ends', everyMs: LOOK_EVERY_MS, run: tell }] }
}
