/** What is proved of a service on a stock library: which tokens it lets in, and that rotation and an outage of the gateway do not trouble it. */

import { setTimeout as sleep } from 'node:timers/promises'
import { type LiveGateway, STATUS_LIST_TTL_SECONDS } from '../live/gateway.ts'
import type { Answer, LiveService } from '../live/service.ts'

type Site = { gateway: LiveGateway; service: LiveService }

const AWAY_SECONDS = 15
const RECOVERED_WITHIN_SECONDS = 45

function must(holds: boolean, words: string): void {
  if (!holds) throw new Error(words)
}

const said = ({ status, sub, reason }: Answer): string => `${status} ${sub ?? reason ?? ''}`.trim()

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A good token is let in; one that is changed, unsigned or a status list is answered 401. */
export async function answers({ gateway, service }: Site): Promise<string> {
  const { token, userId } = await gateway.login()
  const good = await service.me(token)
  must(good.status === 200 && good.sub === userId, `a good token is answered ${said(good)}`)
  const [header = '', payload = '', signature = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  const somebody = encoded({ ...claims, sub: 'somebody' })
  const list = await (await fetch(`${gateway.issuer}/status-lists/0`)).text()
  const bad = {
    'another user in the payload': `${header}.${somebody}.${signature}`,
    'an unsigned token': `${encoded({ alg: 'none', typ: 'JWT' })}.${somebody}.`,
    'a status list': list.trim(),
    nonsense: 'nonsense',
  }
  for (const [name, one] of Object.entries(bad)) {
    const answer = await service.me(one)
    must(answer.status === 401, `${name} is answered ${said(answer)}`)
  }
  return `a good token is let in, ${Object.keys(bad).length} bad ones are answered 401`
}

/** No stock library reads status lists: the token of an ended session is good until it expires. */
export async function endedSession({ gateway, service }: Site): Promise<string> {
  const session = await gateway.login()
  await gateway.logout(session)
  await sleep((STATUS_LIST_TTL_SECONDS + 5) * 1000)
  const answer = await service.me(session.token)
  must(answer.status === 200, `the token of an ended session is answered ${said(answer)}`)
  return 'the token of an ended session is still let in'
}

/** The gateway is killed: good tokens are accepted by the keys that are cached; back, new ones are too. */
export async function outage({ gateway, service }: Site): Promise<string> {
  const { token } = await gateway.login()
  await service.me(token)
  await gateway.kill()
  let requests = 0
  for (const end = performance.now() + AWAY_SECONDS * 1000; performance.now() < end; requests += 1) {
    const answer = await service.me(token)
    must(answer.status === 200, `after ${requests} requests while the gateway is away: ${said(answer)}`)
    await sleep(20)
  }
  await gateway.restart()
  const seconds = await secondsUntilIn(service, (await gateway.login()).token)
  return `${requests} requests in ${AWAY_SECONDS} s without the gateway, 0 failed; a new token ${seconds.toFixed(1)} s after it was back`
}

/** A service that starts while the gateway is away answers 503, not 401, and recovers by itself. */
export async function startedAlone({ gateway, service }: Site): Promise<string> {
  const { token } = await gateway.login()
  await gateway.kill()
  await service.restart()
  const answer = await service.me(token)
  must(answer.status === 503, `without any key a good token is answered ${said(answer)}`)
  await gateway.restart()
  const seconds = await secondsUntilIn(service, token)
  return `503 while there were no keys, 200 ${seconds.toFixed(1)} s after the gateway was ready`
}

async function secondsUntilIn(service: LiveService, token: string): Promise<number> {
  const start = performance.now()
  for (;;) {
    const answer = await service.me(token)
    const seconds = (performance.now() - start) / 1000
    if (answer.status === 200) return seconds
    must(seconds <= RECOVERED_WITHIN_SECONDS, `still ${said(answer)} after ${seconds.toFixed(1)} s`)
    await sleep(100)
  }
}
