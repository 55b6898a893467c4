/** People who log in, refresh, look at their profile, get verified and log out, and who keep count of what they were promised. */

import { setTimeout as sleep } from 'node:timers/promises'
import { decodeJwt } from 'jose'
import { type Verifier, VerifierError } from '../src/sdk/verifier/verifier.ts'
import type { TokenReply } from '../src/server/sessions/token-reply.ts'
import type { Answer, Balancer, Call } from './balancer.ts'
import type { Random } from './random.ts'
import type { Recorder } from './recorder.ts'
import { REUSE_INTERVAL_SECONDS } from './site.ts'

/** A login that was answered with 200, the newest tokens that came with a 200, and when it was ended. */
export type HeldSession = {
  name: string
  tokens: TokenReply
  receivedAt: number
  endedAt?: number
  /** The first try of the logout was not answered with 200: it may have ended the session behind the back of every replica. */
  endedUnseen?: boolean
}

/** What faults excuse. */
export type Excuses = {
  /** What was acknowledged at this moment may be gone, since the database was put back to an earlier one. */
  mayBeGone(at: number): boolean
  /** So may its end, until the gateway has ended it again; for good where no replica saw it. */
  mayLiveAgain(session: HeldSession): boolean
  /** The clock of the replica that gave this answer was wrong, so it took good tokens for expired or not yet valid. */
  wrongClock(answer: Answer): boolean
}

export type Ledger = {
  live: Set<HeldSession>
  ended: HeldSession[]
  /** A refresh that stayed unanswered for longer than the reuse interval: the contract promises nothing about the next try. */
  abandoned: number
  logins: number
  refreshes: number
  /** Answers of the verifier SDK for a live session. */
  verified: number
  /** Sessions that a database which was put back does not know, or not as they were. */
  gone: number
  /** Every place in a status list, and whose it is. */
  places: Map<string, string>
}

export const newLedger = (): Ledger => ({
  live: new Set(),
  ended: [],
  abandoned: 0,
  logins: 0,
  refreshes: 0,
  verified: 0,
  gone: 0,
  places: new Map(),
})

export type UserParts = {
  name: string
  random: Random
  balancer: Balancer
  verifier: Pick<Verifier, 'verify'>
  recorder: Pick<Recorder, 'violation'>
  ledger: Ledger
  excuses: Excuses
  running: () => boolean
  onEnded: (session: HeldSession) => void
  thinkMs?: number
}

const ATTEMPTS_PER_CODE = 6
/** A session is kept aside now and then, to be used again after other faults. */
const ASIDE = 6
const CLOCK_MARGIN_MS = 2000

export const refreshCall = ({ tokens }: HeldSession): Call => ({
  ...{ endpoint: 'refresh', method: 'POST', path: '/api/refresh' },
  body: { refresh_token: tokens.refresh_token },
})
const bearer = ({ tokens }: HeldSession) => ({ authorization: `Bearer ${tokens.token}` })
export const verifyCall = (session: HeldSession): Call => ({
  ...{ endpoint: 'verify', method: 'GET', path: '/verify', internal: true },
  headers: bearer(session),
})
const userCall = (session: HeldSession): Call => ({
  ...{ endpoint: 'user', method: 'GET', path: '/api/user' },
  headers: bearer(session),
})
export const said = (answer: Answer): string => answer.broken ?? `${answer.status} ${answer.code ?? ''}`

/** Where its bit lies in the status lists. */
function statusPlace({ tokens }: HeldSession): string {
  const { uri, idx } = decodeJwt<{ status: { status_list: { uri: string; idx: number } } }>(tokens.token).status
    .status_list
  return `${uri} ${idx}`
}

const tokensOf = (answer: Answer): TokenReply => JSON.parse(answer.text).data

export function createUser(parts: UserParts) {
  const { name, random, balancer, verifier, recorder, ledger, excuses, running, onEnded, thinkMs = 100 } = parts
  const aside: HeldSession[] = []
  let codes = 0

  const pause = (ms: number) => sleep(random.between(0.5, 1.5) * ms)

  async function login(): Promise<HeldSession | undefined> {
    while (running()) {
      codes += 1
      // A new person now and then, so that users are created under stress, too.
      const code = `dev:${name}-${Math.floor(codes / 20)}:${codes}`
      for (let attempt = 1; attempt <= ATTEMPTS_PER_CODE && running(); attempt += 1) {
        const answer = await balancer.send({ endpoint: 'login', method: 'POST', path: '/api/login', body: { code } })
        if (answer.status === 200) {
          const session: HeldSession = { name: code, tokens: tokensOf(answer), receivedAt: performance.now() }
          const place = statusPlace(session)
          // Tries of one code are answered with one session.
          if ((ledger.places.get(place) ?? code) !== code) recorder.violation(`${code}: the index of another session`)
          ledger.places.set(place, code)
          ledger.live.add(session)
          ledger.logins += 1
          return session
        }
        if (answer.status === 401) {
          // An earlier try may have spent it at WeChat, with the answer lost on the way.
          if (attempt === 1) recorder.violation(`a fresh code was refused: ${said(answer)}`)
          break
        }
        await pause(400)
      }
    }
    return undefined
  }

  function take(session: HeldSession, tokens: TokenReply): void {
    if (tokens.user_id !== session.tokens.user_id) recorder.violation(`${session.name}: refreshed into another user`)
    session.tokens = tokens
    session.receivedAt = performance.now()
    ledger.refreshes += 1
  }

  /** With the same token until there is an answer, as a client does; at times twice at once, on two replicas. */
  async function refresh(session: HeldSession): Promise<boolean> {
    const firstSentAt = performance.now()
    for (let attempt = 1; running(); attempt += 1) {
      if (performance.now() - firstSentAt > (REUSE_INTERVAL_SECONDS * 1000) / 2) break
      const call = refreshCall(session)
      const answers = await Promise.all(
        random.chance(0.1) ? [balancer.send(call), balancer.send(call)] : [balancer.send(call)],
      )
      const good = answers.filter(({ status }) => status === 200).map(tokensOf)
      const lost = answers.find(({ status }) => status === 401 || status === 403)
      if (lost) {
        ledger.live.delete(session)
        if (excuses.mayBeGone(session.receivedAt)) {
          ledger.gone += 1
          return false
        }
        recorder.violation(`${session.name}: an acknowledged session was lost at try ${attempt}: ${said(lost)}`)
        return false
      }
      if (new Set(good.map((tokens) => tokens.refresh_token)).size > 1) {
        recorder.violation(`${session.name}: one refresh token had two successors`)
      }
      // What a frozen replica was asked it will do when it wakes up. Two refreshes later that would look like a replay, which in life
      // are an access token's lifetime apart: so this user waits for it.
      const [tokens] = good
      if (tokens) take(session, tokens)
      for (const { broken, replica } of answers) if (broken === 'cut off') await balancer.settled(replica)
      if (tokens) return true
      await pause(300)
    }
    // Not known whether the last try was done: it is done by the reuse interval, or never to be relied upon.
    if (running()) {
      ledger.live.delete(session)
      ledger.abandoned += 1
    }
    return false
  }

  const isFresh = ({ tokens, receivedAt }: HeldSession) =>
    performance.now() - receivedAt < tokens.expires_in * 1000 - CLOCK_MARGIN_MS

  async function use(session: HeldSession): Promise<void> {
    if (!isFresh(session)) return
    const which = random.whole(3)
    if (which === 2) {
      try {
        await verifier.verify(session.tokens.token)
        ledger.verified += 1
      } catch (error) {
        const reason = error instanceof VerifierError ? error.code : String(error)
        recorder.violation(`${session.name}: the verifier refused a live session: ${reason}`)
      }
      return
    }
    const sentAt = performance.now()
    const answer = await balancer.send(which === 0 ? userCall(session) : verifyCall(session))
    // It may have expired on the way, behind a freeze.
    const expired = performance.now() - sentAt > CLOCK_MARGIN_MS && !isFresh(session)
    if (answer.status !== 401 || expired || excuses.wrongClock(answer)) return
    if (excuses.mayBeGone(session.receivedAt)) return void ledger.live.delete(session)
    recorder.violation(`${session.name}: ${answer.endpoint} refused a live session: ${said(answer)}`)
  }

  async function logout(session: HeldSession): Promise<void> {
    const body = { refresh_token: session.tokens.refresh_token }
    while (running()) {
      // Out of the live ones before it is sent: an answer that was lost may have ended it.
      ledger.live.delete(session)
      const answer = await balancer.send({ endpoint: 'logout', method: 'POST', path: '/api/logout', body })
      if (answer.status === 401) {
        if (!excuses.mayBeGone(session.receivedAt)) {
          recorder.violation(`${session.name}: logout was refused: ${said(answer)}`)
        }
        return
      }
      if (answer.status === 200) {
        // Whether there was anything left to end nobody knows.
        if (excuses.mayBeGone(session.receivedAt)) return
        session.endedAt = performance.now()
        ledger.ended.push(session)
        onEnded(session)
        await mustBeDead(session, { balancer, recorder, excuses })
        return
      }
      session.endedUnseen = true
      await pause(300)
    }
  }

  async function oneSession(): Promise<void> {
    const session = aside.length === ASIDE ? aside.shift() : await login()
    if (!session) return
    for (let round = 3 + random.whole(6); round > 0 && running(); round -= 1) {
      await pause(thinkMs)
      if (random.chance(0.4)) {
        if (!(await refresh(session))) return
      } else await use(session)
    }
    if (!running()) return
    if (random.chance(0.4)) aside.push(session)
    else await logout(session)
  }

  return {
    async run(): Promise<void> {
      while (running()) await oneSession()
    },
  }
}

/** Asks a replica of its own choice for each: no token of an ended session is good for anything, from the moment of the answer. */
export async function mustBeDead(
  session: HeldSession,
  { balancer, recorder, excuses }: Pick<UserParts, 'balancer' | 'recorder' | 'excuses'>,
): Promise<void> {
  for (const call of [refreshCall(session), verifyCall(session)]) {
    const answer = await balancer.send(call)
    if (answer.status !== 200 || excuses.mayLiveAgain(session)) continue
    recorder.violation(`${session.name}: ${call.endpoint} after logout: ${said(answer)}`)
  }
}
