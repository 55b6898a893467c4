/** Deletes what no profile shows any more and could not be deleted at once: the bucket was away, or the process died. */
import type { Metrics } from '../observability/metrics.ts'
import type { Avatars } from './avatars.ts'
import type { DiscardedPictureStore } from './store.ts'

export type DiscardedPicturesParts = {
  store: DiscardedPictureStore
  avatars: Pick<Avatars, 'remove'>
  metrics: Pick<Metrics, 'discardedPictures'>
}

const EVERY_MS = 15_000
const BATCH = 20

/** The first try is the change's own; this one comes a minute after it, and deletes in vain what is gone already. */
export function createDiscardedPictures({ store, avatars, metrics }: DiscardedPicturesParts) {
  async function run(): Promise<void> {
    for (const url of await store.claim(BATCH)) if (await avatars.remove(url)) await store.deleted(url)
    metrics.discardedPictures.set(await store.late())
  }
  return { jobs: [{ name: 'discarded-pictures', everyMs: EVERY_MS, run }] }
}
