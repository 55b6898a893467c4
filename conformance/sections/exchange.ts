/** Section 1: what a service does with a code of wx.login. */
import {
  eventually,
  expectClientError,
  expectRefused,
  expectSame,
  expectSuccess,
  expectThat,
  sleep,
} from '../checks.ts'
import { shown } from '../http.ts'
import { type Requirement, type Section, Unmet } from '../requirement.ts'
import { memberAt } from '../template.ts'
import { type Call, CODE2SESSION } from '../wechat.ts'
import type { World } from '../world.ts'

const PARALLEL = 12

const requirements: Requirement[] = [
  {
    id: 'MPL-1.1',
    text: 'A login MUST exchange its code with the platform by exactly one call.',
    why: 'A code is good for one exchange; a second call gets 40163 and spends quota.',
    how: 'One login; the simulator counts the calls of code2Session.',
    source: 'api_code2session; wx.login ("valid for 5 minutes, once")',
    async check({ signIn, wechat }) {
      await signIn()
      expectSame('calls of code2Session', (await wechat.calls(CODE2SESSION)).length, 1)
    },
  },
  {
    id: 'MPL-1.2',
    text: 'The exchange MUST be a GET with appid, secret, js_code and grant_type=authorization_code in the query, of the app that the code is for.',
    why: 'Another verb or name is answered 41002, 41004 or 41008; the secret of another app 40125.',
    how: 'One login; the query as the simulator received it.',
    source: 'api_code2session',
    async check({ signIn, wechat }) {
      const { code, app } = await signIn()
      const [call] = await wechat.calls(CODE2SESSION)
      const query = { appid: app.appid, secret: app.secret, js_code: code, grant_type: 'authorization_code' }
      expectSame('method and query', [call?.method, sorted(call?.query)], ['GET', sorted(query)])
    },
  },
  {
    id: 'MPL-1.3',
    text: 'The code MUST reach the platform as it was sent, whatever characters it has, or be refused without a call: it MUST NOT add a parameter.',
    why: 'A code `x&appid=…` pasted into the URL chooses the appid, and `+` becomes a space.',
    how: 'Codes with `+ / = & # %` and blanks that the simulator takes; either the login succeeds and js_code is equal, or no call is made.',
    source: 'RFC 3986 section 2.1; xlstudio/wxbizdatacrypt#4',
    async check(world) {
      for (const odd of ['a+b/c==', 'x&appid=evil&secret=evil', 'a b#c%20d', '中文?&js_code=other']) {
        const code = `dev:${world.someone()}:${odd}`
        await world.wechat.forgetCalls()
        const answer = await world.service.login(code)
        const calls = await world.wechat.calls(CODE2SESSION)
        if (calls.length === 0) expectClientError(world.service, answer, `the code ${odd}`)
        else {
          expectSame('js_code and appid', ofCode(calls[0]), { js_code: code, appid: world.profile.apps.main.appid })
          expectSuccess(world.service, answer, `a login with the code ${odd}`)
        }
      }
    },
  },
  {
    id: 'MPL-1.4',
    text: 'A login MUST work while the platform gives out no access_token of its own.',
    why: 'code2Session needs none; a service that fetches one first is down when the token service or its quota is.',
    how: 'The token endpoints answer -1 while somebody logs in.',
    source: 'api_code2session; binarywang/WxJava BaseWxMaServiceImpl',
    async check({ wechat, signIn }) {
      for (const path of ['/cgi-bin/token', '/cgi-bin/stable_token']) await wechat.fail({ path, errcode: -1 })
      await signIn()
    },
  },
  {
    id: 'MPL-1.5',
    text: 'A code that the platform refuses MUST be refused in a way that tells the client to call wx.login again, without another call upstream.',
    why: '40029 is final for the code: a retry cannot help, a fresh code does.',
    how: 'A code nobody minted; the answer, and one call counted.',
    source: 'api_code2session (40029)',
    async check({ service, wechat, unknownCode }) {
      expectRefused(service, await service.login(unknownCode()), 'codeInvalid', 'an unknown code')
      expectSame('calls of code2Session', (await wechat.calls(CODE2SESSION)).length, 1)
    },
  },
  {
    id: 'MPL-1.6',
    text: 'The same code sent again after a success MUST give the same session again or be refused clearly, as the profile says; it MUST NOT open a second session or fail as a defect.',
    why: 'Replies get lost and buttons are tapped twice; the second request meets 40163.',
    how: 'Log in, send the same code again; user and refresh token are compared.',
    source: 'CFETeam/weapp-session#5, lanceWan/wxxcx#9, binarywang/WxJava#1323 (40163)',
    async check(world) {
      const first = await world.signIn()
      const again = await world.service.login(first.code)
      expectSameOrRefused(world, first, again)
      if (world.profile.login.sameCodeAgain === 'same-session')
        expectSame('calls of code2Session', (await world.wechat.calls(CODE2SESSION)).length, 1)
    },
  },
  {
    id: 'MPL-1.7',
    text: 'Parallel requests with one code MUST share one exchange, on every replica: all get the one session, or all but one a clear refusal, as the profile says.',
    why: 'Pages that load together log in together; without coalescing all but one get 40163 and the user an error.',
    how: `${PARALLEL} requests at once over all base URLs while the platform takes 300 ms.`,
    source: 'CFETeam/weapp-session#5, EasyAbp/WeChatManagement#16, IvinWu/weRequest#36',
    async check(world) {
      const { service, wechat, profile } = world
      const code = await world.codeOf(world.someone())
      await wechat.fail({ path: CODE2SESSION, delayMs: 300, times: PARALLEL })
      const answers = await Promise.all(Array.from({ length: PARALLEL }, () => service.login(code)))
      const [winner] = answers.filter((answer) => service.succeeded(answer))
      if (!winner) throw new Unmet('at least one of the parallel logins succeeds', answers.map(shown).join(' | '))
      const first = service.tokensIn(winner)
      for (const answer of answers) if (answer !== winner) expectSameOrRefused(world, first, answer)
      if (profile.login.sameCodeAgain === 'same-session')
        expectSame('calls of code2Session', (await wechat.calls(CODE2SESSION)).length, 1)
    },
  },
  {
    id: 'MPL-1.8',
    text: 'A refused code that comes again SHOULD be refused without asking the platform again.',
    why: 'A client in a loop, or a guesser, would spend the quota of everybody (45011, 45009).',
    how: 'The same unknown code five times; at most one call counted.',
    source: 'api_code2session (quota)',
    async check({ service, wechat, unknownCode }) {
      const code = unknownCode()
      for (let attempt = 1; attempt <= 5; attempt += 1)
        expectRefused(service, await service.login(code), 'codeInvalid', 'an unknown code')
      const { length } = await wechat.calls(CODE2SESSION)
      expectThat(length <= 1, 'at most one call upstream for five requests', `${length} calls`)
    },
  },
  {
    id: 'MPL-1.9',
    text: 'A code of one app MUST NOT log anybody in to another app, not even after it succeeded in its own.',
    why: 'What is kept for a repeated code belongs to (platform, appid, code).',
    how: 'A code of the main app, sent for the sister app before and after its login.',
    source: 'binarywang/WxJava#1473 (cache without appid in its key)',
    needs: ['sister app'],
    async check(world) {
      const { service, profile } = world
      const { sister } = profile.apps
      const code = await world.codeOf(world.someone())
      expectRefused(service, await service.login(code, { app: sister }), 'codeInvalid', 'the code of another app')
      expectSuccess(service, await service.login(code), 'the same code in its own app')
      expectRefused(service, await service.login(code, { app: sister }), 'codeInvalid', 'the code of another app')
    },
  },
  {
    id: 'MPL-1.10',
    text: 'A code MUST be refused once the session that it opened has ended.',
    why: 'Whoever logs out is logged out, also for somebody who learnt the code.',
    how: 'Log in, log out, send the code again at once.',
    source: 'OWASP ASVS 5.0 7.4.1',
    needs: ['logout'],
    async check(world) {
      const { service } = world
      const session = await world.signIn()
      expectThat(service.succeeded(await service.logout(session)), 'the logout succeeds', 'a refusal')
      expectRefused(service, await service.login(session.code), 'codeInvalid', 'the code of an ended session')
    },
  },
  {
    id: 'MPL-1.11',
    text: 'A code MUST be refused once its session has been refreshed.',
    why: 'A refresh proves that the reply arrived; from then on the code is worth a session to whoever reads it in a log.',
    how: 'Log in, refresh, send the code again at once.',
    source: 'RFC 6749 section 4.1.2 (a code used more than once)',
    needs: ['refresh'],
    async check(world) {
      const { service } = world
      const session = await world.signIn()
      expectSuccess(service, await service.refresh(session.refresh ?? ''), 'the refresh')
      expectRefused(service, await service.login(session.code), 'codeInvalid', 'the code of a refreshed session')
    },
  },
  {
    id: 'MPL-1.12',
    text: 'A code MUST be refused once its access token has been used at the service.',
    why: 'A use proves that the reply arrived, as a refresh does.',
    how: 'Log in, ask for the own profile, send the code again; on every replica.',
    source: 'RFC 6749 section 4.1.2 (a code used more than once)',
    needs: ['me'],
    async check(world) {
      const { service } = world
      const session = await world.signIn()
      expectThat(service.succeeded(await service.me(session.access)), 'the access token works', 'a refusal')
      // A use may be noted beside the reply.
      await sleep(100)
      for (let base = 0; base < service.bases.length; base += 1)
        expectRefused(service, await service.login(session.code, { base }), 'codeInvalid', 'the code of a used session')
    },
  },
  {
    id: 'MPL-1.13',
    text: 'The literal code `the code is a mock one` MUST be refused without a call upstream.',
    why: 'Developer tools give it where there is no real appid; public servers were found that accept it as anybody.',
    how: 'A login with it; the answer, and no call counted.',
    source: 'WeChat DevTools (the code that it gives without an appid)',
    async check({ service, wechat }) {
      const answer = await service.login('the code is a mock one')
      expectRefused(service, answer, ['codeInvalid', 'invalidRequest'], 'the mock code')
      expectSame('calls of code2Session', (await wechat.calls(CODE2SESSION)).length, 0)
    },
  },
  {
    id: 'MPL-1.14',
    text: 'An empty, missing, overlong or non-textual code MUST be refused as an invalid request without a call upstream.',
    why: 'What goes into a URL with the AppSecret beside it has to be bounded (ASVS 4.2.5).',
    how: 'The empty text, none, 5,000 characters, a number, an object, an array, null, true.',
    source: 'OWASP ASVS 5.0 4.2.5; binarywang/WxJava#2410 (a JSON object as js_code)',
    async check(world) {
      const { service, wechat, profile } = world
      for (const code of ['', 'x'.repeat(5000), 17, { code: 'a' }, ['a'], null, true]) {
        const answer = await service.login('x', { extra: { [profile.login.codeField]: code } })
        expectRefused(service, answer, 'invalidRequest', `the code ${JSON.stringify(code).slice(0, 20)}`)
      }
      const body = profile.login.form === undefined ? '{}' : ''
      expectRefused(service, await service.login('', { body }), 'invalidRequest', 'a body without a code')
      expectSame('calls of code2Session', (await wechat.calls(CODE2SESSION)).length, 0)
    },
  },
  {
    id: 'MPL-1.15',
    text: 'A request MUST be validated as a whole before its code is sent: after a refused body the code is still good.',
    why: 'Else a typing error costs the user a code, and the retry gets 40163.',
    how: "The profile's invalid members beside a good code; then the same code alone.",
    source: 'api_code2session (a code is good once)',
    needs: ['invalid login'],
    async check(world) {
      const { service, profile } = world
      const code = await world.codeOf(world.someone())
      expectRefused(service, await service.login(code, { extra: profile.login.invalid }), 'invalidRequest', 'the body')
      expectSuccess(service, await service.login(code), 'the same code in a valid body')
    },
  },
  {
    id: 'MPL-1.16',
    text: 'A redirect in place of an answer MUST NOT be followed.',
    why: 'The query holds the AppSecret; a redirect carries it to another host.',
    how: 'The simulator answers 302 with the same path elsewhere; the second call must not come.',
    source: 'OWASP ASVS 5.0 15.3.2',
    async check(world) {
      const { service, wechat } = world
      const code = await world.codeOf(world.someone())
      const location = `${wechat.url}${CODE2SESSION}?moved=1`
      await wechat.fail({ path: CODE2SESSION, httpStatus: 302, headers: { location }, body: '', times: 1 })
      expectRefused(service, await service.login(code), 'platformFailed', 'a login answered by a redirect')
      const followed = (await wechat.calls(CODE2SESSION)).filter(({ query }) => query.moved === '1')
      expectSame('calls that followed the redirect', followed.length, 0)
    },
  },
  {
    id: 'MPL-1.17',
    text: 'A failed exchange that says nothing of the code MUST leave it usable: the same code succeeds as soon as the platform answers.',
    why: 'A claim on the code that outlives the failure locks the user out until the code is dead.',
    how: 'The platform answers 503 once; the same code is sent again until it succeeds, for 3 seconds.',
    source: 'api_code2session (-1: try again later)',
    async check(world) {
      const { service, wechat } = world
      const code = await world.codeOf(world.someone())
      await wechat.fail({ path: CODE2SESSION, httpStatus: 503, body: '', times: 1 })
      const failed = await service.login(code)
      if (!service.succeeded(failed)) expectRefused(service, failed, 'platformFailed', 'a login answered by 503')
      await eventually(3, async () => {
        expectSuccess(service, await service.login(code), 'the same code after a failed exchange')
      })
    },
  },
]

export const exchange: Section = {
  title: 'Exchanging the code',
  about: 'One code, one exchange, whoever asks and however often.',
  requirements,
}

function expectSameOrRefused(
  { service, profile }: World,
  first: { user: string | undefined; refresh: string | undefined },
  answer: Parameters<World['service']['tokensIn']>[0],
): void {
  if (profile.login.sameCodeAgain === 'refused') {
    expectRefused(service, answer, 'codeInvalid', 'the same code once more')
    return
  }
  const { user, refresh } = expectSuccess(service, answer, 'the same code once more')
  expectSame('user and refresh token', [user, refresh === first.refresh], [first.user, true])
}

const sorted = (query: Record<string, string> = {}) => Object.fromEntries(Object.entries(query).sort())
const ofCode = (call: Call | undefined) => ({
  js_code: memberAt(call?.query, 'js_code'),
  appid: memberAt(call?.query, 'appid'),
})
