/** Section 2: what a service makes of WeChat's answers, the odd and the bad ones. */
import { eventually, expectRefused, expectSame, expectSuccess, expectThat } from '../checks.ts'
import { refusalOf } from '../profile.ts'
import type { Requirement, Section } from '../requirement.ts'
import { CODE2SESSION } from '../wechat.ts'
import { callsOf, expectRetryAfter, failsAsPlatform, healthy, loginUnder } from './platform-behaviour.ts'
import { failures } from './platform-failures.ts'

const requirements: Requirement[] = [
  {
    id: 'MPL-2.1',
    text: 'A success without an errcode member MUST be taken as a success.',
    why: 'Real successes have none; a test for `errcode === 0` refuses everybody.',
    how: 'A plain login: the simulator answers as WeChat does.',
    source: 'developers.weixin.qq.com community 000088feaf46783c0649295bf5d000',
    async check(world) {
      await world.signIn()
    },
  },
  {
    id: 'MPL-2.2',
    text: 'A success with `errcode: 0`, as a number or a text, MUST be taken as a success.',
    why: 'Relatives of the API and proxies add it; a test for the mere presence of errcode refuses them.',
    how: 'Logins answered with errcode 0 and "0".',
    source: 'api_code2session (older samples); WeCom jscode2session',
    async check(world) {
      for (const errcode of [0, '0']) {
        const { answer } = await loginUnder(world, { merge: { errcode, errmsg: 'ok' } })
        expectSuccess(world.service, answer, `a login answered with errcode ${JSON.stringify(errcode)}`)
      }
    },
  },
  {
    id: 'MPL-2.3',
    text: "The answer's body MUST be read as JSON whatever its Content-Type.",
    why: 'WeChat serves it as text/plain; a client library that looks at the type gives a string.',
    how: 'Logins answered as text/plain, application/json, text/html and without a type.',
    source: 'developers.weixin.qq.com community 000c464f6501d82b074d5f5055b000',
    async check(world) {
      for (const type of ['text/plain', 'text/plain; charset=utf-8', 'application/json', 'text/html', '']) {
        const { answer } = await loginUnder(world, { headers: { 'content-type': type } })
        expectSuccess(world.service, answer, `a login answered as ${type || 'nothing in particular'}`)
      }
    },
  },
  {
    id: 'MPL-2.4',
    text: 'Members that nobody asked for MUST be ignored.',
    why: 'Old accounts get `expires_in: 7200`, which means nothing; new members appear unannounced.',
    how: 'A login answered with expires_in and unknown members of every kind.',
    source: 'developers.weixin.qq.com community 50f37dd3fa374d8da02c8cb0260453f6',
    async check(world) {
      const merge = { expires_in: 7200, errmsg: '', new_member: { deep: [1, null] }, unionid: null }
      const { answer } = await loginUnder(world, { merge })
      expectSuccess(world.service, answer, 'a login answered with more members')
    },
  },
  {
    id: 'MPL-2.5',
    text: 'An errcode that comes as text MUST be read as the same number.',
    why: 'An official sample has `"40029"`; compared by type it is no known error.',
    how: 'Logins answered with "40029" and "40163".',
    source: 'api_thirdpartycode2session (sample)',
    async check(world) {
      for (const errcode of [40029, 40163]) {
        const { answer } = await loginUnder(world, { errcode, errcodeAsString: true })
        expectRefused(world.service, answer, 'codeInvalid', `a login answered with errcode "${errcode}"`)
      }
    },
  },
  {
    id: 'MPL-2.6',
    text: 'A non-zero errcode MUST be a refusal even beside an openid.',
    why: 'An error with HTTP 200 taken as a user is the fault behind GHSA-5hvv-9cqv-894r.',
    how: 'A success with errcode 40029 merged in.',
    source: 'supabase/auth GHSA-5hvv-9cqv-894r',
    async check(world) {
      const { answer } = await loginUnder(world, { merge: { errcode: 40029, errmsg: 'invalid code' } })
      expectRefused(world.service, answer, 'codeInvalid', 'a login answered with openid and errcode 40029')
    },
  },
  {
    id: 'MPL-2.7',
    text: 'While the platform answers -1, a login MUST fail as the platform’s failure after at most two calls.',
    why: 'Retries multiply the load on a busy platform and hold the user; a retry may meet a spent code.',
    how: '-1 for every call; the answer, and the calls counted.',
    source: 'api_code2session (-1); binarywang/WxJava (5 retries, 31 s)',
    async check(world) {
      const { answer } = await loginUnder(world, { errcode: -1 })
      expectRefused(world.service, answer, ['platformFailed', 'platformLimit'], 'a login answered by -1')
      const calls = await callsOf(world)
      expectThat(calls <= 2, 'at most 2 calls upstream', `${calls} calls`)
      await healthy(world)
    },
  },
  {
    id: 'MPL-2.8',
    text: 'A single -1 that did not spend the code MUST NOT cost it: this request, or the same code again, succeeds.',
    why: '"System busy" passes within a moment.',
    how: '-1 once, without spending; then the same code until it succeeds, for 3 seconds.',
    source: 'api_code2session (-1)',
    async check(world) {
      const { service } = world
      const { code, answer } = await loginUnder(world, { errcode: -1, times: 1 })
      if (service.succeeded(answer)) return
      expectRefused(service, answer, ['platformFailed', 'platformLimit'], 'a login answered by -1 once')
      await eventually(3, async () => void expectSuccess(service, await service.login(code), 'the same code again'))
    },
  },
  {
    id: 'MPL-2.9',
    text: 'A -1 that did spend the code (40163 afterwards) MUST end in a refusal of the code, now or at its next use, and the person MUST be able to log in with a fresh one.',
    why: 'A retry that meets 40163 has lost the answer for good: only wx.login helps, and the client must be told.',
    how: '-1 that spends the code; the same code again if the first answer was a failure; then a fresh code.',
    source: 'developers.weixin.qq.com community 000262c8de4e78e7141ce6aa056c00 (40163)',
    async check(world) {
      const { service, wechat } = world
      const person = world.someone()
      const code = await world.codeOf(person)
      await wechat.fail({ path: CODE2SESSION, errcode: -1, spend: true, times: 1 })
      let answer = await service.login(code)
      const calls = await callsOf(world)
      expectThat(calls <= 2, 'at most 2 calls upstream', `${calls} calls`)
      if (refusalOf(service.profile, 'platformFailed').status.includes(answer.status))
        answer = await service.login(code)
      expectRefused(service, answer, 'codeInvalid', 'a code that was spent without an answer')
      await world.signIn(person)
    },
  },
  {
    id: 'MPL-2.10',
    text: 'A person whom the platform blocks (40226, 50002) MUST be refused finally, not told to try another code.',
    why: 'A client that logs in again at once would do so for ever.',
    how: 'Logins answered by 40226 and 50002; one call each.',
    source: 'api_code2session (40226); commErrCode (50002)',
    async check(world) {
      for (const errcode of [40226, 50002]) {
        const { answer } = await loginUnder(world, { errcode })
        expectRefused(world.service, answer, 'userBlocked', `a login answered by ${errcode}`)
        expectSame('calls of code2Session', await callsOf(world), 1)
      }
    },
  },
  {
    id: 'MPL-2.11',
    text: "The platform's rate limit (45011) MUST be passed on as a limit with Retry-After, without a retry of the service's own.",
    why: 'The quota is per minute: retries keep it exhausted.',
    how: 'A login answered by 45011; status, Retry-After, and one call.',
    source: 'api_code2session (45011); RFC 9110 section 10.2.3',
    async check(world) {
      const { answer } = await loginUnder(world, { errcode: 45011 })
      expectRefused(world.service, answer, 'platformLimit', 'a login answered by 45011')
      expectRetryAfter(answer)
      expectSame('calls of code2Session', await callsOf(world), 1)
    },
  },
  {
    id: 'MPL-2.12',
    text: "The platform's refusal of our own configuration (40013, 40125, 40164, 41002) MUST be answered as a failure that is not the caller's.",
    why: 'The user can do nothing about a wrong AppSecret or a missing IP allow-list entry; a 401 makes clients loop.',
    how: 'Logins answered by each of them.',
    source: 'api_code2session, commErrCode',
    async check(world) {
      for (const errcode of [40013, 40125, 40164, 41002]) await failsAsPlatform(world, String(errcode), { errcode })
    },
  },
  {
    id: 'MPL-2.13',
    text: 'An errcode that nobody knows MUST be a failure, never a login.',
    why: 'The list is open: new codes appear, and success must not be what is left over.',
    how: 'Logins answered by 99999 and by errcode "odd".',
    source: 'OWASP ASVS 5.0 16.5.3 (fail closed)',
    async check(world) {
      for (const fault of [{ errcode: 99999 }, { merge: { errcode: 'odd' } }]) {
        const { answer } = await loginUnder(world, fault)
        expectRefused(
          world.service,
          answer,
          ['platformFailed', 'codeInvalid'],
          'a login answered by an unknown errcode',
        )
        await healthy(world)
      }
    },
  },
  {
    id: 'MPL-2.14',
    text: 'An answer whose openid is empty, missing or no text MUST be a failure, never a login.',
    why: 'The empty openid is one identity for everybody: all of them become one user.',
    how: 'Successes with openid "", null, absent, {} and true.',
    source: 'supabase/auth GHSA-5hvv-9cqv-894r; OWASP API10:2023',
    async check(world) {
      for (const openid of ['', null, {}, true])
        await failsAsPlatform(world, `openid ${JSON.stringify(openid)}`, { merge: { openid } })
      await failsAsPlatform(world, 'a success without openid', { body: '{"session_key":"AAAAAAAAAAAAAAAAAAAAAA=="}' })
    },
  },
  {
    id: 'MPL-2.15',
    text: 'An answer without a session_key SHOULD be a failure.',
    why: 'A success always has one; what lacks it came from something else than WeChat.',
    how: 'Successes with session_key "", null and absent.',
    source: 'api_code2session',
    async check(world) {
      for (const session_key of ['', null])
        await failsAsPlatform(world, `session_key ${JSON.stringify(session_key)}`, { merge: { session_key } })
      await failsAsPlatform(world, 'a success without session_key', {
        body: '{"openid":"oAAAAAAAAAAAAAAAAAAAAAAAAAAA"}',
      })
    },
  },
]

export const platform: Section = {
  title: "The platform's answers",
  about: 'A success is a non-empty openid (and session_key) and no non-zero errcode; everything else is not.',
  requirements: [...requirements, ...failures],
}
