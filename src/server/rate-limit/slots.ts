/** How many of one kind of act may be under way: one for each user, and a few in this process, for what holds memory or connections. */
import { GatewayError } from '../errors.ts'

export type Slots = {
  /** Begins an act of the user; call what it answers when the act has ended. Throws A0501 beside another of theirs, and B0210. */
  begin(userId: string): () => void
}

const RETRY_SECONDS = 2

export function createSlots({ what, max }: { what: string; max: number }): Slots {
  const underWay = new Set<string>()
  return {
    begin(userId) {
      const retry = { retryAfterSeconds: RETRY_SECONDS }
      if (underWay.has(userId)) throw new GatewayError('A0501', { ...retry, note: `one ${what} at a time` })
      if (underWay.size >= max) throw new GatewayError('B0210', { ...retry, note: `too many: ${what}` })
      underWay.add(userId)
      return () => void underWay.delete(userId)
    },
  }
}
