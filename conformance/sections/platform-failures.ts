/** The rest of section 2: a platform that is broken, slow or away. */
import { expectNoTokens, expectRefused, expectSuccess, expectThat } from '../checks.ts'
import { type Answer, shown } from '../http.ts'
import type { Requirement } from '../requirement.ts'
import { CODE2SESSION } from '../wechat.ts'
import type { World } from '../world.ts'
import { failsAsPlatform, healthy, loginUnder, recovers } from './platform-behaviour.ts'

export const failures: Requirement[] = [
  {
    id: 'MPL-2.16',
    text: 'A body that is no JSON object (HTML, nothing, half an object, an array, null) MUST be a failure of the platform, never a defect of the service.',
    why: 'Proxies and captive portals answer 200 with a page.',
    how: 'Each of them with status 200.',
    source: 'OWASP API10:2023',
    async check(world) {
      const bodies = ['<html><body>Bad Gateway</body></html>', '', '{"openid":"o', '[]', 'null', '"ok"']
      for (const body of bodies) await failsAsPlatform(world, JSON.stringify(body), { body })
    },
  },
  {
    id: 'MPL-2.17',
    text: 'An HTTP error of the platform MUST be a failure of the platform, even with a body that reads like a success.',
    why: 'A 502 of a proxy with a cached body is nobody’s identity.',
    how: '500, 502, 503, 404 with an empty body, and 502 with a complete success.',
    source: 'OWASP API10:2023',
    async check(world) {
      for (const httpStatus of [500, 502, 503, 404])
        await failsAsPlatform(world, `HTTP ${httpStatus}`, { httpStatus, body: '' })
      const body = JSON.stringify({ openid: `o${world.someone()}`, session_key: 'AAAAAAAAAAAAAAAAAAAAAA==' })
      await failsAsPlatform(world, 'HTTP 502 with a success in it', { httpStatus: 502, body })
    },
  },
  {
    id: 'MPL-2.18',
    text: 'A connection that breaks MUST be a failure of the platform.',
    why: 'It happens at every deployment of a balancer; the caller may try again.',
    how: 'The simulator closes the connection instead of answering.',
    source: 'OWASP ASVS 5.0 16.5.2',
    async check(world) {
      await failsAsPlatform(world, 'a broken connection', { drop: true })
    },
  },
  {
    id: 'MPL-2.19',
    text: "A platform that does not answer MUST be given up within the profile's limit (5 seconds where it says nothing).",
    why: 'wx.request gives up by itself; a login that hangs holds a connection, and many hold the service.',
    how: 'The answer is held back for 20 seconds; the time of the refusal is taken.',
    source: 'OWASP ASVS 5.0 13.2.6; wx.request timeout',
    async check(world) {
      const { slowestSeconds } = world.profile.login
      const { answer } = await loginUnder(world, { delayMs: 20_000, times: 1 })
      expectNoTokens(world.service, answer, 'a login that the platform does not answer')
      expectRefused(world.service, answer, 'platformFailed', 'a login that the platform does not answer')
      expectThat(
        answer.seconds <= slowestSeconds + 0.5,
        `an answer within ${slowestSeconds} s`,
        `${answer.seconds.toFixed(1)} s`,
      )
    },
  },
  {
    id: 'MPL-2.20',
    text: 'Logins that wait for the platform SHOULD NOT hold up those that it answers at once.',
    why: 'One slow shard of the platform must not be everybody’s.',
    how: 'Eight exchanges held back for 1.5 seconds; meanwhile somebody else logs in within one.',
    source: 'synchronous workers',
    async check(world) {
      const { service, wechat } = world
      const slow = await Promise.all(Array.from({ length: 8 }, () => world.codeOf(world.someone())))
      for (const code of slow) await wechat.fail({ path: CODE2SESSION, code, delayMs: 1500, times: 1 })
      const code = await world.codeOf(world.someone())
      const waiting = Promise.all(slow.map((each) => service.login(each)))
      const quick = await service.login(code)
      await waiting
      expectSuccess(service, quick, 'a login while others wait')
      expectThat(quick.seconds < 1, 'an answer within 1 s', `${quick.seconds.toFixed(1)} s`)
    },
  },
  {
    id: 'MPL-2.21',
    text: 'When the platform is well again, logins MUST work again by themselves within 10 seconds.',
    why: 'A breaker or a pool that stays broken turns a minute’s outage into a night’s.',
    how: '30 logins answered by 503, then fresh codes until one succeeds.',
    source: 'OWASP ASVS 5.0 16.5.2',
    async check(world) {
      const { service, wechat } = world
      await wechat.fail({ path: CODE2SESSION, httpStatus: 503, body: '' })
      const codes = await Promise.all(Array.from({ length: 30 }, () => world.codeOf(world.someone())))
      for (const answer of await Promise.all(codes.map((code) => service.login(code)))) expectFailure(world, answer)
      await wechat.clearFaults()
      await recovers(world, 10)
    },
  },
  {
    id: 'MPL-2.22',
    text: 'An answer of unreasonable size SHOULD be refused instead of being read.',
    why: 'The memory of the service is not the platform’s (or an impostor’s) to spend.',
    how: 'A success padded to 4 MiB.',
    source: 'OWASP API4:2023',
    async check(world) {
      const openid = `o${world.someone()}`
      const body = JSON.stringify({ openid, session_key: 'AAAAAAAAAAAAAAAAAAAAAA==', pad: 'x'.repeat(4 << 20) })
      const { answer } = await loginUnder(world, { body, times: 1 })
      expectRefused(world.service, answer, 'platformFailed', 'a login answered with 4 MiB')
      await healthy(world)
    },
  },
]

function expectFailure({ service }: World, answer: Answer): void {
  expectThat(answer.status >= 500 && answer.status !== 500, 'a failure of the platform: 502, 503 or 504', shown(answer))
  expectNoTokens(service, answer, 'a login answered by 503')
}
