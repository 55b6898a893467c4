/** What status lists and an offline verifier may say of the sessions of a trace, and by when. */
import type { KeyWatch } from './key-watch.ts'
import { bitAt, bitsOf, type Claims, createOnlooker, type Held, listNumber } from './onlooker.ts'
import type { At } from './steps.ts'
import { config, databaseNow, type Hands, type Replica } from './world.ts'

/** Contract section 7. */
const BEHIND_MS = 5000

/** Every index that was ever given in this database, by `list place`. */
const given = new Map<string, string>()

export type ListWatch = ReturnType<typeof createListWatch>

export function createListWatch(parts: {
  hands: Hands
  replicas: readonly [Replica, Replica]
  signs: (at: At) => boolean
  keys: KeyWatch
  mayHaveEnded: (sid: string) => boolean
}) {
  const { hands, replicas, signs, keys, mayHaveEnded } = parts
  const onlooker = createOnlooker()
  const references = new Map<string, Claims['status']['status_list']>()
  const endedAtMs = new Map<string, number>()
  const servedSet: [Set<string>, Set<string>] = [new Set(), new Set()]
  const refused = new Set<string>()

  return {
    /** A token names this place for its session. */
    given(sid: string, { status }: Claims): void {
      const { uri, idx } = status.status_list
      const place = `${uri} ${idx}`
      if ((given.get(place) ?? sid) !== sid) throw new Error(`the index ${place} was given twice`)
      given.set(place, sid)
      references.set(sid, { uri, idx })
    },
    /** Known by now to have ended. */
    ended(sid: string): void {
      if (!endedAtMs.has(sid)) endedAtMs.set(sid, hands.elapsedMs)
    },

    /** Holds the lists that replicas serve this moment against what is known; answers what is late. */
    late(): string | undefined {
      let late: string | undefined
      for (const at of [0, 1] as const) {
        if (!signs(at)) continue
        const bits = new Map<string, Buffer | undefined>()
        for (const [sid, { uri, idx }] of references) {
          if (!bits.has(uri)) {
            const jwt = replicas[at].lists.find(listNumber(uri))?.jwt
            bits.set(uri, jwt === undefined ? undefined : bitsOf(jwt))
          }
          const list = bits.get(uri)
          const set = list !== undefined && bitAt(list, idx)
          const ended = endedAtMs.get(sid)
          if (set && !mayHaveEnded(sid)) throw new Error(`replica ${at} says that ${sid} has ended, which lives`)
          if (!set && ended !== undefined && hands.elapsedMs - ended > BEHIND_MS)
            late = `the list of replica ${at} is more than 5 s behind: ${sid} has ended`
          if (!set && servedSet[at].has(sid)) throw new Error(`replica ${at} takes back that ${sid} has ended`)
          if (set) servedSet[at].add(sid)
        }
      }
      return late
    },

    /** An offline verifier fetches what is due, then is shown every token that has not expired. */
    async onlook(held: readonly Held[], ask: At): Promise<void> {
      const from = replicas[signs(ask) ? ask : ask === 0 ? 1 : 0]
      await onlooker.goOn(from, hands.elapsedMs)
      for (const { sid, access } of held) {
        const token = access.at(-1)
        if (!token || token.claims.exp <= databaseNow(hands) / 1000 || keys.isRetired(token.kid)) continue
        const { verdict, asked } = await onlooker.judge(token.text, token.claims, from, hands.elapsedMs)
        if (asked && !keys.mayBeNews(token.kid)) throw new Error(`a verifier meets an unknown key: ${token.kid}`)
        if (verdict === 'unknown key') throw new Error(`no replica publishes ${token.kid}, whose tokens live`)
        const ended = endedAtMs.get(sid)
        if (verdict === 'ended' && !mayHaveEnded(sid)) throw new Error(`a verifier refuses ${sid}, which lives`)
        const tooLateMs = config.statusListTtlSeconds * 1000 + BEHIND_MS
        if (verdict === 'accepted' && ended !== undefined && hands.elapsedMs - ended > tooLateMs)
          throw new Error(`a verifier accepts ${sid} ${(hands.elapsedMs - ended) / 1000} s after its end`)
        if (verdict === 'accepted' && refused.has(sid)) throw new Error(`a verifier accepts ${sid} again`)
        if (verdict === 'ended') refused.add(sid)
      }
    },
  }
}
