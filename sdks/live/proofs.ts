/** What is proved of each service before a real gateway: rotation under load, ended sessions in time, and a gateway that is killed and comes back. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type LiveGateway, ROTATION_SECONDS, type SignedIn, STATUS_LIST_TTL_SECONDS } from './gateway.ts'
import type { Answer, LiveService } from './service.ts'

type Site = { gateway: LiveGateway; service: LiveService }

/** What the contract promises (section 7): the list's ttl, and 5 s that the gateway may need to publish it. */
const REFUSED_WITHIN_SECONDS = STATUS_LIST_TTL_SECONDS + 5
/** The longest pause between two tries of a verifier. */
const RETRY_SECONDS = 30
/** What a machine with two cores may add. */
const BUSY_SECONDS = 10
const PEOPLE = 4

const said = ({ status, sub, reason }: Answer): string => `${status} ${sub ?? reason ?? ''}`.trim()

function must(holds: boolean, words: string): void {
  if (!holds) throw new Error(words)
}

async function accepted({ service }: Site, session: SignedIn, when: string): Promise<void> {
  const answer = await service.me(session.token)
  must(answer.status === 200 && answer.sub === session.userId, `${when}: a good token is answered ${said(answer)}`)
}

async function refused({ service }: Site, token: string | undefined, reason: string, when: string): Promise<void> {
  const answer = await service.me(token)
  const status = reason.endsWith('_unavailable') ? 503 : 401
  must(answer.status === status && answer.reason === reason, `${when}: ${said(answer)} instead of ${status} ${reason}`)
}

/** Seconds until the answer is as wanted; every answer before must be `meanwhile`. */
async function secondsUntil(
  ask: () => Promise<Answer>,
  wanted: string,
  meanwhile: string,
  limit: number,
): Promise<number> {
  const start = performance.now()
  for (;;) {
    const answer = said(await ask())
    const seconds = (performance.now() - start) / 1000
    if (answer === wanted) return seconds
    must(answer === meanwhile, `${answer} instead of ${meanwhile} or ${wanted}`)
    must(seconds <= limit, `still ${answer} after ${seconds.toFixed(1)} s, not ${wanted}`)
    await sleep(50)
  }
}

/** Bad tokens get the reasons of the closed list. */
export async function reasons(site: Site): Promise<string> {
  const session = await site.gateway.login()
  await accepted(site, session, 'at the start')
  await refused(site, undefined, 'token_missing', 'no token')
  await refused(site, 'nonsense', 'token_malformed', 'nonsense')
  const [header = '', payload = '', signature = ''] = session.token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  const another = Buffer.from(JSON.stringify({ ...claims, sub: 'somebody' })).toString('base64url')
  await refused(site, `${header}.${another}.${signature}`, 'signature_invalid', 'another user in the payload')
  const list = await (await fetch(`${site.gateway.issuer}/status-lists/0`)).text()
  await refused(site, list.trim(), 'type_mismatch', 'a status list')
  return 'a good token and four bad ones get their answers'
}

/** Several rotations while people log in and use their tokens, old and new: not one is refused. */
export async function rotation(site: Site): Promise<string> {
  const kids = new Set<string>()
  const sessions: SignedIn[] = []
  const end = performance.now() + 2.6 * ROTATION_SECONDS * 1000
  let requests = 0
  async function person(): Promise<void> {
    while (performance.now() < end) {
      const session = await site.gateway.login()
      kids.add(session.kid)
      sessions.push(session)
      for (let i = 0; i < 20; i += 1) {
        const used = i === 0 ? session : (sessions[Math.floor(Math.random() * sessions.length)] ?? session)
        await accepted(site, used, `after ${requests} requests and ${kids.size} keys`)
        requests += 1
        await sleep(5)
      }
    }
  }
  await Promise.all(Array.from({ length: PEOPLE }, person))
  must(kids.size >= 3, `only ${kids.size} keys signed`)
  return `${requests} verifications of ${sessions.length} tokens under ${kids.size} keys, 0 failed`
}

/** A session that was ended at the gateway is refused within ttl + 5 s; its neighbour is not. */
export async function endedSessions(site: Site): Promise<string> {
  let worst = 0
  for (let round = 0; round < 5; round += 1) {
    const [session, neighbour] = [await site.gateway.login(), await site.gateway.login()]
    await accepted(site, session, 'before the logout')
    await site.gateway.logout(session)
    const ask = () => site.service.me(session.token)
    const seconds = await secondsUntil(ask, '401 session_ended', `200 ${session.userId}`, REFUSED_WITHIN_SECONDS)
    worst = Math.max(worst, seconds)
    await accepted(site, neighbour, 'the neighbour of an ended session')
    await sleep(300 * round)
  }
  return `5 ended sessions refused, the slowest after ${worst.toFixed(1)} s of the ${REFUSED_WITHIN_SECONDS} allowed`
}

/** The gateway is killed: good tokens are accepted, ended sessions stay refused; when it is back, all goes on by itself. */
export async function outage(site: Site): Promise<string> {
  const { gateway, service } = site
  const [good, ended, late] = [await gateway.login(), await gateway.login(), await gateway.login()]
  await gateway.logout(ended)
  const askEnded = () => service.me(ended.token)
  await secondsUntil(askEnded, '401 session_ended', `200 ${ended.userId}`, REFUSED_WITHIN_SECONDS)
  await gateway.kill()
  let requests = 0
  for (const end = performance.now() + 20_000; performance.now() < end; requests += 2) {
    await accepted(site, good, 'while the gateway is away')
    await refused(site, ended.token, 'session_ended', 'while the gateway is away')
    await sleep(20)
  }
  await gateway.restart()
  await gateway.logout(late)
  // Keys are published 8 s ahead here, not a day: one may be new, and the verifier's next try up to 30 s away. That is an
  // outage (503), never a bad token (401).
  const fresh = await gateway.login()
  // A try that failed in the moment before the gateway was back is the last for RETRY_SECONDS; and the machine may be busy.
  const limit = RETRY_SECONDS + REFUSED_WITHIN_SECONDS + BUSY_SECONDS
  const [, seconds] = await Promise.all([
    secondsUntil(() => service.me(fresh.token), `200 ${fresh.userId}`, '503 keys_unavailable', limit),
    secondsUntil(() => service.me(late.token), '401 session_ended', `200 ${late.userId}`, limit),
  ])
  await refused(site, ended.token, 'session_ended', 'after the gateway is back')
  return `${requests} verifications while it was away, 0 failed; back, an ended session was refused after ${seconds.toFixed(1)} s`
}

/** A service that starts while the gateway is away answers 503, not 401, and needs no restart when it is back. */
export async function startedAlone(site: Site): Promise<string> {
  const { gateway, service } = site
  const session = await gateway.login()
  await gateway.kill()
  await service.restart()
  await refused(site, session.token, 'keys_unavailable', 'started while the gateway is away')
  await gateway.restart()
  const ask = () => service.me(session.token)
  const seconds = await secondsUntil(ask, `200 ${session.userId}`, '503 keys_unavailable', RETRY_SECONDS + BUSY_SECONDS)
  return `503 while there were no keys, 200 ${seconds.toFixed(1)} s after the gateway was ready`
}
