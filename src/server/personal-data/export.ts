/** A user's copy of their own data (PIPL article 45), page by page. */
import { GatewayError } from '../errors.ts'
import type { Pages } from '../http/streamed.ts'
import { enforce, type RateLimit } from '../rate-limit/rate-limit.ts'
import { createSlots } from '../rate-limit/slots.ts'
import type { PersonalDataStore } from './store.ts'

type Page<Name extends 'sessionsOf' | 'eventsOf'> = Awaited<ReturnType<PersonalDataStore[Name]>>

/** Everything that is kept about a user. `end` must be called once: until then the user has no second copy made. */
export type PersonalData = NonNullable<Awaited<ReturnType<PersonalDataStore['find']>>> & {
  sessions: Pages<Page<'sessionsOf'>[number]>
  events: Pages<Page<'eventsOf'>[number]>
  end(): void
}

/** Everything that is kept, but for the session_key, which is the platform's secret. Throws A0203, A0501 and B0210. */
export type Export = (userId: string) => Promise<PersonalData>

export type ExportParts = { store: PersonalDataStore; limit: RateLimit | undefined }

/** Each has at most a page in memory and a connection while it is fetched. */
const MAX_UNDER_WAY = 4
const PAGE_ROWS = 1000

export function createExport({ store, limit }: ExportParts): Export {
  const slots = createSlots({ what: 'export', max: MAX_UNDER_WAY })
  return async (userId) => {
    const end = slots.begin(userId)
    try {
      await enforce(limit, userId)
      const found = await store.find(userId)
      if (!found) throw new GatewayError('A0203')
      const sessions = pagesOf((after: string | undefined) => store.sessionsOf(userId, { after, limit: PAGE_ROWS }))
      const events = pagesOf((after: string | undefined) => store.eventsOf(userId, { after, limit: PAGE_ROWS }))
      return { ...found, sessions, events, end }
    } catch (error) {
      end()
      throw error
    }
  }
}

async function* pagesOf<Row extends { cursor: string }>(
  read: (after: string | undefined) => Promise<Row[]>,
): AsyncGenerator<Row[]> {
  for (let after: string | undefined; ; ) {
    const rows = await read(after)
    yield rows
    if (rows.length < PAGE_ROWS) return
    after = rows.at(-1)?.cursor
  }
}
