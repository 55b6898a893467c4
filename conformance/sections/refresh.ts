/** Section 5: refresh tokens: rotated, safe against lost replies, and the end of a session when somebody replays one. */
import { expectRefused, expectSame, expectSuccess, expectThat, sleep } from '../checks.ts'
import { shown } from '../http.ts'
import { CannotTest, type Requirement, type Section } from '../requirement.ts'
import type { Tokens } from '../service.ts'
import { CODE2SESSION } from '../wechat.ts'
import type { World } from '../world.ts'

const PARALLEL = 16

function refreshTokenOf({ refresh }: Pick<Tokens, 'refresh'>): string {
  if (refresh === undefined) throw new CannotTest('no refresh token in the reply: see login.answer in the profile')
  return refresh
}

async function refreshed({ service }: World, tokens: Pick<Tokens, 'refresh'>, what = 'a refresh'): Promise<Tokens> {
  return expectSuccess(service, await service.refresh(refreshTokenOf(tokens)), what)
}

/** Nothing of this session works any more. */
async function expectEnded(world: World, tokens: Tokens): Promise<void> {
  const { service, profile } = world
  const answer = await service.refresh(refreshTokenOf(tokens))
  expectRefused(service, answer, ['refreshInvalid', 'refreshReplayed'], "the session's newest refresh token")
  if (profile.me) expectRefused(service, await service.me(tokens.access), 'tokenInvalid', "the session's access token")
}

const requirements: Requirement[] = [
  {
    id: 'MPL-5.1',
    text: 'Each use of a refresh token MUST give a new one, for the same user.',
    why: 'A token that stays good for ever is a password in the client’s storage.',
    how: 'Login and three refreshes; four different tokens, one user.',
    source: 'RFC 9700 section 4.14.2; OWASP ASVS 5.0 10.4.5',
    needs: ['refresh'],
    async check(world) {
      const first = await world.signIn()
      const seen = new Set([refreshTokenOf(first)])
      let tokens: Tokens = first
      for (let use = 1; use <= 3; use += 1) {
        tokens = await refreshed(world, tokens)
        if (tokens.user !== undefined) expectSame('the user', tokens.user, first.user)
        seen.add(refreshTokenOf(tokens))
      }
      expectSame('different refresh tokens', seen.size, 4)
    },
  },
  {
    id: 'MPL-5.2',
    text: 'The same refresh token used in parallel MUST give the same successor to all, on every replica.',
    why: 'Pages that wake up together refresh together; a race that logs out is the most reported fault of token rotation.',
    how: `${PARALLEL} refreshes at once over all base URLs; one successor, which works.`,
    source: 'ory/hydra#3604, supabase/auth#2136, HQBase/hqbase#41, nightscout/nocturne#391',
    needs: ['refresh'],
    async check(world) {
      const { service } = world
      const token = refreshTokenOf(await world.signIn())
      const answers = await Promise.all(Array.from({ length: PARALLEL }, () => service.refresh(token)))
      const tokens = answers.map((answer) => expectSuccess(service, answer, 'a parallel refresh'))
      expectSame('successors', new Set(tokens.map(refreshTokenOf)).size, 1)
      for (const each of tokens.slice(0, 1)) await refreshed(world, each, 'a refresh with the successor')
    },
  },
  {
    id: 'MPL-5.3',
    text: 'A refresh token sent again right after its use MUST give the same successor again.',
    why: 'The reply was lost; the client has nothing but the old token.',
    how: 'The same token twice, one after the other, then the successor.',
    source: 'neondatabase/mcp-server-neon#232, supabase/auth#2136',
    needs: ['refresh'],
    async check(world) {
      const first = await world.signIn()
      const successor = await refreshed(world, first)
      const again = await refreshed(world, first, 'the same refresh token again')
      expectSame('the successor is the same', refreshTokenOf(again) === refreshTokenOf(successor), true)
      await refreshed(world, again, 'a refresh with the successor')
    },
  },
  {
    id: 'MPL-5.4',
    text: 'A refresh token that is two or more uses old MUST end its session at once.',
    why: 'Two parties hold the family; nobody can tell which is the thief.',
    how: 'Three refreshes, then the first token, then the newest refresh and access tokens.',
    source: 'RFC 9700 section 4.14.2; CVE-2026-9802, CVE-2026-53517',
    needs: ['refresh'],
    async check(world) {
      const { service } = world
      const first = await world.signIn()
      const newest = await refreshed(world, await refreshed(world, await refreshed(world, first)))
      expectRefused(service, await service.refresh(refreshTokenOf(first)), 'refreshReplayed', 'an old refresh token')
      await expectEnded(world, newest)
    },
  },
  {
    id: 'MPL-5.5',
    text: 'The refresh token before the newest one, sent after the reuse interval, MUST end its session.',
    why: 'A grace without end is no rotation.',
    how: 'One refresh; after the profile’s interval the first token, then the newest.',
    source: 'RFC 9700 section 4.14.2; supabase/auth (reuse interval)',
    needs: ['refresh'],
    async check(world) {
      const { service, profile, patienceSeconds } = world
      const interval = profile.refresh?.reuseSeconds ?? 0
      if (interval > patienceSeconds) throw new CannotTest(`the interval of ${interval} s is over --patience`)
      const first = await world.signIn()
      const newest = await refreshed(world, first)
      await sleep((interval + 0.7) * 1000)
      expectRefused(service, await service.refresh(refreshTokenOf(first)), 'refreshReplayed', 'a used refresh token')
      await expectEnded(world, newest)
    },
  },
  {
    id: 'MPL-5.6',
    text: 'A refresh token that the service did not issue MUST be refused and change nothing.',
    why: 'Else anybody who knows a session’s id ends it, or guesses it.',
    how: 'Every part of a good token changed, cut, lengthened; then the good one still works.',
    source: 'RFC 9700 section 4.14.2; CVE-2026-27840 (truncated token still valid)',
    needs: ['refresh'],
    async check(world) {
      const { service } = world
      const first = await world.signIn()
      const token = refreshTokenOf(first)
      for (const forged of forgeriesOf(token))
        expectRefused(
          service,
          await service.refresh(forged),
          ['refreshInvalid', 'invalidRequest'],
          'a forged refresh token',
        )
      await refreshed(world, first, 'a refresh with the good token')
    },
  },
  {
    id: 'MPL-5.7',
    text: 'A refresh MUST NOT need the platform.',
    why: 'An outage of WeChat must not log out whoever is logged in.',
    how: 'A refresh while every platform call fails; no call counted.',
    source: 'framework/open-ability/login (the own session is independent of WeChat)',
    needs: ['refresh'],
    async check(world) {
      const session = await world.signIn()
      await world.wechat.forgetCalls()
      await world.wechat.fail({ drop: true })
      await refreshed(world, session, 'a refresh while WeChat is away')
      expectSame('calls of WeChat', (await world.wechat.calls(CODE2SESSION)).length, 0)
    },
  },
  {
    id: 'MPL-5.8',
    text: 'An access token MUST NOT refresh, and a refresh token MUST NOT give access.',
    why: 'Services send access tokens around; a refresh token goes to one place.',
    how: 'Each in the other’s place.',
    source: 'RFC 8725 section 3.12; OWASP ASVS 5.0 9.2.2',
    needs: ['refresh', 'me'],
    async check(world) {
      const { service } = world
      const session = await world.signIn()
      const refusals = ['refreshInvalid', 'invalidRequest'] as const
      expectRefused(service, await service.refresh(session.access), [...refusals], 'an access token as refresh token')
      expectRefused(
        service,
        await service.me(refreshTokenOf(session)),
        'tokenInvalid',
        'a refresh token as access token',
      )
    },
  },
  {
    id: 'MPL-5.9',
    text: 'A session MUST end at its absolute limit however often it is refreshed.',
    why: 'A stolen family that is kept warm would live for ever.',
    how: 'In the app with brief sessions: refreshed all the time, refused after its limit.',
    source: 'OWASP ASVS 5.0 10.4.8',
    needs: ['refresh', 'brief app'],
    async check(world) {
      const { service, profile } = world
      const { brief } = profile.apps
      const endsAt = performance.now() + (brief?.sessionSeconds ?? 0) * 1000
      let tokens: Tokens = await world.signIn(world.someone(), { app: brief })
      while (performance.now() < endsAt - 1000) {
        tokens = await refreshed(world, tokens, 'a refresh before the limit')
        await sleep(300)
      }
      await sleep(endsAt - performance.now() + 1500)
      const answer = await service.refresh(refreshTokenOf(tokens))
      expectRefused(service, answer, 'refreshInvalid', 'a refresh after the absolute limit')
    },
  },
  {
    id: 'MPL-5.10',
    text: 'The end of one session MUST NOT end the other sessions of its user.',
    why: 'A replay on an old phone would log out the new one: a denial of service.',
    how: 'Two sessions of one person; one is ended by a replay, the other refreshes.',
    source: 'OWASP ASVS 5.0 7.5.2',
    needs: ['refresh'],
    async check(world) {
      const { service } = world
      const person = world.someone()
      const [old, other] = [await world.signIn(person), await world.signIn(person)]
      await refreshed(world, await refreshed(world, old))
      expectRefused(service, await service.refresh(refreshTokenOf(old)), 'refreshReplayed', 'an old refresh token')
      await refreshed(world, other, 'a refresh of the other session')
    },
  },
  {
    id: 'MPL-5.11',
    text: 'A refresh token MUST have one spelling: no padding, no white space, no spare bits.',
    why: 'What is compared as text (a cache, a list of used tokens) is passed by another spelling of the same token.',
    how: 'The good token with `=`, a blank, a line break, and changed spare bits in its last character.',
    source: 'RFC 4648 section 3.5; RFC 7515 section 2',
    needs: ['refresh'],
    async check(world) {
      const { service } = world
      const first = await world.signIn()
      const token = refreshTokenOf(first)
      const spellings = [`${token}=`, `${token}==`, `${token} `, ` ${token}`, `${token}\n`, ...spareBitsOf(token)]
      for (const other of spellings) {
        const answer = await service.refresh(other)
        expectThat(!service.succeeded(answer), 'another spelling of a refresh token is refused', shown(answer))
      }
      await refreshed(world, first, 'a refresh with the good token')
    },
  },
]

export const refresh: Section = {
  title: 'Refreshing',
  about:
    'Rotation with one rule for lost replies: the token just before the newest gets the same successor for a short while; everything older is a replay.',
  requirements,
}

function forgeriesOf(token: string): string[] {
  const changed = (at: number) => {
    const from = token.charAt(at)
    return token.slice(0, at) + (from === 'A' ? 'B' : 'A') + token.slice(at + 1)
  }
  const places = [0, 4, 12, Math.floor(token.length / 2), token.length - 8].filter((at) => at >= 0 && at < token.length)
  return [
    ...places.map(changed),
    token.slice(0, -4),
    `${token}AAAA`,
    'x',
    'a.b.c',
    token.slice(0, 20).padEnd(token.length, 'A'),
  ]
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The last segment with the bits changed that its bytes do not use, where it has such bits. */
export function spareBitsOf(token: string): string[] {
  const segment = token.slice(token.lastIndexOf('.') + 1)
  const last = BASE64URL.indexOf(token.slice(-1))
  const spare = { 2: 4, 3: 2 }[segment.length % 4]
  if (spare === undefined || last < 0) return []
  return [
    token.slice(0, -1) + BASE64URL.charAt(last ^ 1),
    token.slice(0, -1) + BASE64URL.charAt(last ^ (1 << (spare - 1))),
  ]
}
