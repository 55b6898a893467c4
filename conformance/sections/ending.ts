/** Section 6: how a session ends, and how soon everybody knows. */
import {
  eventually,
  expectDone,
  expectRefused,
  expectSame,
  expectSuccess,
  expectThat,
  inspect,
  sleep,
} from '../checks.ts'
import { shown } from '../http.ts'
import { CannotTest, type Requirement, type Section } from '../requirement.ts'
import { fetchStatusList, isSet, pathOf } from '../status-list.ts'
import { memberAt } from '../template.ts'
import { issuerOf, statusOf } from '../tokens.ts'
import type { SignedIn, World } from '../world.ts'

/** Nothing that belongs to this session works any more, on any replica. */
export async function expectDead(world: World, session: SignedIn, what: string): Promise<void> {
  const { service, profile } = world
  for (let base = 0; base < service.bases.length; base += 1) {
    if (profile.refresh && session.refresh !== undefined) {
      const refusals = ['refreshInvalid', 'refreshReplayed', 'suspended'] as const
      expectRefused(
        service,
        await service.refresh(session.refresh, { base }),
        [...refusals],
        `the refresh token of ${what}`,
      )
    }
    if (profile.me) {
      const answer = await service.me(session.access, { base })
      expectRefused(service, answer, ['tokenInvalid', 'suspended'], `the access token of ${what}`)
    }
  }
}

export async function expectAlive({ service, profile }: World, session: SignedIn, what: string): Promise<void> {
  if (profile.me) expectDone(service, await service.me(session.access), `the access token of ${what}`)
}

/** Where a session's bit stands, seen on one replica. */
async function bitOf(world: World, session: SignedIn, base?: number): Promise<boolean> {
  const { idx, uri } = statusOf(session.access)
  return isSet(await fetchStatusList(world, pathOf(uri, await issuerOf(world)), base), idx)
}

async function expectListed(world: World, session: SignedIn): Promise<void> {
  const seconds = world.profile.statusList?.withinSeconds ?? 5
  await eventually(seconds, async () => {
    for (let base = 0; base < world.service.bases.length; base += 1)
      expectSame(`the bit of an ended session after ${seconds} s`, await bitOf(world, session, base), true)
  })
}

async function end(world: World, session: SignedIn): Promise<void> {
  expectDone(world.service, await world.service.logout(session), 'a logout')
}

async function isActive({ service, profile }: World, token: string): Promise<unknown> {
  if (!profile.introspect) throw new CannotTest('the profile has no introspect')
  const answer = await service.call(profile.introspect, { token, access_token: token })
  expectThat(answer.status === 200, 'an answer of introspection', shown(answer))
  return memberAt(answer.json, 'active')
}

const requirements: Requirement[] = [
  {
    id: 'MPL-6.1',
    text: 'A service that opens sessions MUST offer a way to end them.',
    why: 'Phones are lost, sold and shared.',
    how: 'The profile names a logout, and it is answered as a success for a live session.',
    source: 'OWASP ASVS 5.0 7.4.4',
    async check(world) {
      expectThat(world.profile.logout !== undefined, 'a logout in the profile', 'none')
      await end(world, await world.signIn())
    },
  },
  {
    id: 'MPL-6.2',
    text: 'After a logout is answered, no token of that session MUST work at the service, on any replica.',
    why: 'An acknowledged end that is not one is worse than none.',
    how: 'Log out; refresh and access token at every base URL, at once.',
    source: 'OWASP ASVS 5.0 7.4.1; CVE-2026-8922, CVE-2026-18218',
    needs: ['logout'],
    async check(world) {
      const session = await world.signIn()
      await expectAlive(world, session, 'a live session')
      await end(world, session)
      await expectDead(world, session, 'an ended session')
    },
  },
  {
    id: 'MPL-6.3',
    text: 'A second logout of the same session SHOULD succeed like the first.',
    why: 'The reply to the first was lost; whoever is logged out wants nothing else.',
    how: 'Log out twice.',
    source: 'RFC 7009 section 2.2',
    needs: ['logout'],
    async check(world) {
      const session = await world.signIn()
      await end(world, session)
      await end(world, session)
    },
  },
  {
    id: 'MPL-6.4',
    text: 'A logout with a token that the service did not issue MUST be refused and MUST NOT end anything.',
    why: 'Else whoever knows a session’s id logs its owner out.',
    how: 'A forged refresh token and a forged access token of a live session.',
    source: 'OWASP API1:2023',
    needs: ['logout'],
    async check(world) {
      const { service } = world
      const session = await world.signIn()
      const forge = (token: string | undefined) => token && `${token.slice(0, -6)}AAAAAA`
      const forged = { ...session, access: forge(session.access) ?? '', refresh: forge(session.refresh) }
      const answer = await service.logout(forged)
      expectRefused(
        service,
        answer,
        ['tokenInvalid', 'refreshInvalid', 'invalidRequest'],
        'a logout with a forged token',
      )
      await expectAlive(world, session, 'a session that somebody tried to end')
      if (world.profile.refresh) expectSuccess(service, await service.refresh(session.refresh ?? ''), 'its refresh')
    },
  },
  {
    id: 'MPL-6.5',
    text: "An ended session MUST be on the published status list of every replica within the profile's bound (5 seconds where it says nothing).",
    why: 'It is how a verifier that asks nobody learns of it; the lifetime of a token is no answer.',
    how: 'Log out; the lists of all base URLs are fetched until the bit is set, and once more two seconds later.',
    source: 'draft-ietf-oauth-status-list; casdoor#2133, logto#2407, CVE-2026-78357',
    needs: ['status list', 'jwks', 'logout'],
    async check(world) {
      const session = await world.signIn()
      await end(world, session)
      await expectListed(world, session)
      await sleep(2000)
      for (let base = 0; base < world.service.bases.length; base += 1)
        expectSame('the bit, once set', await bitOf(world, session, base), true)
    },
  },
  {
    id: 'MPL-6.6',
    text: 'A status list MUST verify under the published keys: typ statuslist+jwt, sub its own URI, exp and ttl, and the bit of a live session not set.',
    why: 'A stock verifier reads it, or nobody does.',
    how: 'The list of a fresh session’s token, read with jose and zlib.',
    source: 'draft-ietf-oauth-status-list sections 4 to 6 and 8.3',
    needs: ['status list', 'jwks'],
    async check(world) {
      const session = await world.signIn()
      const { uri, idx } = statusOf(session.access)
      const list = await fetchStatusList(world, pathOf(uri, await issuerOf(world)))
      const { header, claims, answer } = list
      expectSame('typ, sub', [header.typ, claims.sub], ['statuslist+jwt', uri])
      expectSame('media type', answer.headers.get('content-type')?.split(';')[0], 'application/statuslist+jwt')
      for (const name of ['iat', 'exp', 'ttl'])
        expectThat(Number.isInteger(claims[name]), `${name}, a number`, inspect(claims[name]))
      expectThat(Number(claims.exp) > Date.now() / 1000, 'exp in the future', inspect(claims.exp))
      expectSame('the bit of a live session', isSet(list, idx), false)
    },
  },
  {
    id: 'MPL-6.7',
    text: 'No two sessions MUST have the same place on the status lists.',
    why: 'The end of one would end the other for every verifier.',
    how: '40 logins of many people at once; 40 places.',
    source: 'draft-ietf-oauth-status-list section 13.2',
    needs: ['status list'],
    async check(world) {
      const sessions = await Promise.all(Array.from({ length: 40 }, () => world.signIn()))
      const places = sessions.map(({ access }) => JSON.stringify(statusOf(access)))
      expectSame('different places', new Set(places).size, 40)
    },
  },
  {
    id: 'MPL-6.8',
    text: 'Places on the status lists SHOULD NOT be given out in a row.',
    why: 'Whoever logs in twice reads from the difference how many did so in between.',
    how: 'Eight logins one after the other; the distances between their places.',
    source: 'draft-ietf-oauth-status-list section 13.3 (herd privacy, unlinkability)',
    needs: ['status list'],
    async check(world) {
      const places: number[] = []
      for (let login = 1; login <= 8; login += 1) places.push(statusOf((await world.signIn()).access).idx)
      const near = places.filter((idx, at) => at > 0 && Math.abs(idx - (places[at - 1] ?? 0)) <= 4).length
      expectThat(near <= 3, 'places far from each other', places.join(', '))
    },
  },
  {
    id: 'MPL-6.9',
    text: 'A status list SHOULD be cacheable for no longer than its ttl and answer If-None-Match with 304.',
    why: 'A cache in between that keeps it longer breaks the bound; without 304 a large list is sent every half minute.',
    how: 'Cache-Control and ttl compared; the list fetched again with its ETag.',
    source: 'draft-ietf-oauth-status-list section 8; RFC 9110 section 13.1.2',
    needs: ['status list', 'jwks'],
    async check(world) {
      const path = pathOf(statusOf((await world.signIn()).access).uri, await issuerOf(world))
      await eventually(5, async () => {
        const { answer, claims } = await fetchStatusList(world, path, 0)
        const [, maxAge] = /max-age=(\d+)/.exec(answer.headers.get('cache-control') ?? '') ?? []
        expectThat(Number(maxAge) <= Number(claims.ttl), `max-age of at most ${claims.ttl}`, String(maxAge))
        const etag = answer.headers.get('etag') ?? ''
        expectThat(etag !== '', 'an ETag', 'none')
        const again = await world.service.get(path, { 'if-none-match': etag }, 0)
        expectSame('status with If-None-Match', again.status, 304)
      })
    },
  },
  {
    id: 'MPL-6.10',
    text: 'Introspection MUST answer `active: true` for a live token and `active: false`, and nothing else, for an ended, forged or unknown one.',
    why: 'Whoever asks relies on it at once; a member beside `active: false` tells of somebody’s session.',
    how: 'Access and refresh token before and after a logout; a forged one; nonsense.',
    source: 'RFC 7662 section 2.2',
    needs: ['introspect', 'logout'],
    async check(world) {
      const session = await world.signIn()
      const forged = `${session.access.slice(0, -6)}AAAAAA`
      expectSame('active, of a live token', await isActive(world, session.access), true)
      for (const token of [forged, 'nonsense'])
        expectSame('active, of a forged token', await isActive(world, token), false)
      await end(world, session)
      for (const token of [session.access, session.refresh ?? session.access])
        expectSame('active, of an ended session', await isActive(world, token), false)
    },
  },
  {
    id: 'MPL-6.11',
    text: 'A person MUST see the own sessions and be able to end each, and nobody else’s.',
    why: 'The phone that was lost is the one that cannot log out itself.',
    how: 'Two sessions of one person: listed, one ended from the other; a stranger’s is 404.',
    source: 'OWASP ASVS 5.0 7.5.2; API1:2023',
    needs: ['sessions'],
    async check(world) {
      const { service, profile } = world
      const { list, end: endOne, items, sid } = profile.sessions ?? {}
      if (!list || !endOne || items === undefined || sid === undefined) throw new CannotTest('sessions in the profile')
      const sidsOf = async ({ access }: SignedIn) => {
        const answer = await service.call(list, { access_token: access })
        expectDone(service, answer, 'the list of sessions')
        return [memberAt(answer.json, items)].flat().map((item) => String(memberAt(item, sid)))
      }
      const endAs = (session: SignedIn, id: string | undefined) =>
        service.call(endOne, { access_token: session.access, sid: id })
      const person = world.someone()
      const [first, stranger] = [await world.signIn(person), await world.signIn()]
      const [lost] = await sidsOf(first)
      const second = await world.signIn(person)
      const [mine, theirs] = [await sidsOf(second), await sidsOf(stranger)]
      expectSame('listed sessions', [mine.length, theirs.length, mine.includes(String(lost))], [2, 1, true])
      const refused = await endAs(second, theirs[0])
      expectThat([403, 404].includes(refused.status), 'another’s session is not there: 403 or 404', shown(refused))
      await expectAlive(world, stranger, 'the stranger')
      expectDone(service, await endAs(second, lost), 'the end of a session')
      await expectDead(world, first, 'a session that its owner ended')
      await expectAlive(world, second, 'the session that ended another')
    },
  },
  {
    id: 'MPL-6.12',
    text: 'An operator MUST be able to end all sessions of a user.',
    why: 'An account that was taken over is not ended by its owner.',
    how: 'Two sessions of one person, ended by the operator; another person’s lives on.',
    source: 'OWASP ASVS 5.0 7.4.5',
    needs: ['end sessions'],
    async check(world) {
      const { service, profile } = world
      const person = world.someone()
      const [first, second, other] = [await world.signIn(person), await world.signIn(person), await world.signIn()]
      const { endSessions } = profile.operator
      if (!endSessions) throw new CannotTest('operator.endSessions in the profile')
      expectDone(service, await service.call(endSessions, { user: first.user }), "the operator's act")
      for (const session of [first, second]) await expectDead(world, session, 'a session that an operator ended')
      await expectAlive(world, other, 'another person')
    },
  },
]

export const ending: Section = {
  title: 'Ending sessions',
  about:
    'An end that was acknowledged is an end: at the service at once, for verifiers that ask nobody within a stated bound.',
  requirements,
}

export { expectListed }
