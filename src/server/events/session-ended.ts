/** Sessions that ended are told here, once, after the end is committed, whoever ended them: everything that must know listens here. */
import type { SessionEndReason } from '../storage/schema.ts'

/** A session that has just ended: what listeners need to know of it. */
export type EndedSession = { sid: string; userId: string; statusIndex: number; appid: string }

export type OnSessionsEnded = (ended: readonly EndedSession[], reason: SessionEndReason) => void

export type SessionEndedParts = {
  /** Each is told of every end: status lists, the session stream, metrics. */
  listeners: readonly OnSessionsEnded[]
  onError: (error: unknown) => void
}

/** Never throws: the end is committed, so neither the request nor another listener may fail because one listener did. */
export function createSessionEnded({ listeners, onError }: SessionEndedParts): OnSessionsEnded {
  return (ended, reason) => {
    if (ended.length === 0) return
    for (const listener of listeners) {
      try {
        listener(ended, reason)
      } catch (error) {
        onError(error)
      }
    }
  }
}
