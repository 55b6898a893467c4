/** One contract for both caches, with races. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describeCache } from '../../dev/testing/cache-contract.ts'
import { openTestStores } from '../../dev/testing/real-stores.ts'

describeCache('the cache', async () => {
  const stores = await openTestStores()
  const other = stores.replica().cache
  while (!other.available()) await sleep(5)
  return { one: stores.cache, other, close: () => stores.close() }
})
