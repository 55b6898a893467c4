/** The rest of section 10: what every reply owes to caches, browsers and other callers. */
import { expectClientError, expectRefused, expectSame, expectSuccess, expectThat, inspect } from '../checks.ts'
import type { Answer } from '../http.ts'
import type { Requirement } from '../requirement.ts'
import { memberAt } from '../template.ts'
import { expectRetryAfter } from './platform-behaviour.ts'

export const replies: Requirement[] = [
  {
    id: 'MPL-10.7',
    text: 'Pages of other origins MUST NOT be let in unless the operator names them.',
    why: 'Mini programs have no origin; an open CORS policy serves nobody but other sites.',
    how: 'Preflight and login with a foreign Origin: no Access-Control-Allow-Origin for it, no credentials.',
    source: 'Fetch standard (CORS protocol); OWASP ASVS 5.0 3.4.2',
    async check(world) {
      const { service, profile } = world
      const origin = 'https://evil.example'
      const preflight = await service.login('', {
        method: 'OPTIONS',
        body: undefined,
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
      })
      const answer = await service.login(await world.codeOf(world.someone()), { headers: { origin } })
      const own = profile.me ? [await service.me('nonsense', { headers: { origin } })] : []
      for (const { headers, request } of [preflight, answer, ...own]) {
        const allowed = headers.get('access-control-allow-origin')
        expectThat(
          allowed === null || (allowed !== '*' && allowed !== origin),
          `${request} allows no foreign origin`,
          inspect(allowed),
        )
        expectSame('Access-Control-Allow-Credentials', headers.get('access-control-allow-credentials'), null)
      }
    },
  },
  {
    id: 'MPL-10.8',
    text: 'Replies with tokens MUST carry `Cache-Control: no-store`.',
    why: 'A shared cache would hand one user the tokens of another.',
    how: 'Login and refresh.',
    source: 'RFC 6749 section 5.1; OWASP ASVS 5.0 14.3.2',
    async check(world) {
      const { service, profile } = world
      const session = await world.signIn()
      const answers = [session.answer]
      if (profile.refresh && session.refresh) answers.push(await service.refresh(session.refresh))
      for (const { headers, request } of answers) {
        const cache = headers.get('cache-control') ?? ''
        expectThat(/\bno-store\b/.test(cache), `${request} with Cache-Control: no-store`, inspect(cache))
      }
    },
  },
  {
    id: 'MPL-10.9',
    text: 'Replies SHOULD be JSON by their Content-Type, with X-Content-Type-Options: nosniff.',
    why: 'A browser that guesses makes a page of what somebody wrote into a name.',
    how: 'A success, a refusal, an unknown path.',
    source: 'OWASP ASVS 5.0 4.1.1, 3.4.4',
    async check(world) {
      const { answer } = await world.signIn()
      for (const { headers, request } of [
        answer,
        await world.service.login(''),
        await world.service.get('/no-such-path'),
      ]) {
        expectThat(
          /^application\/(\w+\+)?json\b/.test(headers.get('content-type') ?? ''),
          `${request} as JSON`,
          inspect(headers.get('content-type')),
        )
        expectSame(`X-Content-Type-Options of ${request}`, headers.get('x-content-type-options'), 'nosniff')
      }
    },
  },
  {
    id: 'MPL-10.10',
    text: 'A failure SHOULD carry an id under which the operator finds it.',
    why: 'It is all that a user can tell to support.',
    how: 'Two refusals: an id each, not the same.',
    source: 'OWASP ASVS 5.0 16.5.1',
    needs: ['request id'],
    async check(world) {
      const ids = [await world.service.login(''), await world.service.login('')].map(({ json }) =>
        memberAt(json, world.profile.error.requestId),
      )
      expectThat(
        ids.every((id) => typeof id === 'string' && id.length >= 8) && ids[0] !== ids[1],
        'two ids',
        inspect(ids),
      )
    },
  },
  {
    id: 'MPL-10.11',
    text: 'Logins of one person MUST be limited: 429 with Retry-After, and nobody else is refused for it.',
    why: 'A client in a loop spends the quota of the app; an address is no person behind a mobile carrier.',
    how: 'One person logs in until 429, at most a few times over the profile’s limit; then somebody else.',
    source: 'OWASP API4:2023; RFC 6585 section 4',
    needs: ['rate limit'],
    async check(world) {
      const { service, profile } = world
      const most = (profile.rateLimit?.loginsOfOnePerson ?? 0) + 3
      const person = world.someone()
      const codes = await Promise.all(Array.from({ length: most }, () => world.codeOf(person)))
      let limited: Answer | undefined
      for (const code of codes) {
        const answer = await service.login(code)
        if (service.succeeded(answer)) continue
        limited = answer
        break
      }
      if (!limited) return expectThat(false, `429 within ${most} logins`, 'all passed')
      expectRefused(service, limited, 'limited', 'one login too many')
      expectRetryAfter(limited)
      await world.signIn()
    },
  },
  {
    id: 'MPL-10.12',
    text: 'Unknown members of a login’s body MUST NOT have an effect.',
    why: 'Mass assignment: a role, a status or an id in the body ends in the account.',
    how: 'A login with roles, is_admin, status and user ids beside its code: it is refused or its token says nothing of them.',
    source: 'OWASP API3:2023; ASVS 5.0 15.3.3',
    async check(world) {
      const { service } = world
      const extra = {
        roles: ['admin'],
        role: 'admin',
        is_admin: true,
        status: 'active',
        expires_in: 99_999_999,
        aud: 'evil',
      }
      const answer = await service.login(await world.codeOf(world.someone()), { extra })
      if (!service.succeeded(answer)) return expectClientError(service, answer, 'a body with unknown members')
      const { access } = expectSuccess(service, answer, 'a login')
      const [, claims = ''] = access.split('.')
      const said = `${answer.text} ${Buffer.from(claims, 'base64url').toString()}`
      for (const word of ['admin', '99999999', '"evil"'])
        expectThat(!said.includes(word), `no ${word} in reply and token`, 'it is there')
    },
  },
]
