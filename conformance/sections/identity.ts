/** Section 3: which user a platform identity is. */
import { expectRefused, expectSame, expectSuccess, expectThat, inspect } from '../checks.ts'
import type { Answer } from '../http.ts'
import type { App } from '../profile.ts'
import { CannotTest, type Requirement, type Section } from '../requirement.ts'
import { CODE2SESSION } from '../wechat.ts'
import { type SignedIn, userOf, type World } from '../world.ts'

const AT_ONCE = 8
const PEOPLE = 20

const requirements: Requirement[] = [
  {
    id: 'MPL-3.1',
    text: 'The same person MUST be the same user at every login.',
    why: 'It is what login is for.',
    how: 'Three logins of one person with fresh codes.',
    source: 'api_code2session (openid)',
    async check({ signIn, someone }) {
      const person = someone()
      const first = await signIn(person)
      for (let again = 1; again <= 2; again += 1) expectSame('the user', (await signIn(person)).user, userOf(first))
    },
  },
  {
    id: 'MPL-3.2',
    text: 'Two people MUST be two users.',
    why: 'A cache or a default in the wrong place hands one person the other’s account.',
    how: 'Twenty people log in at once; twenty different users.',
    source: 'tencentyun/wafer2-node-sdk#57',
    async check({ signIn }) {
      const users = (await Promise.all(Array.from({ length: 20 }, () => signIn()))).map(userOf)
      expectSame('different users', new Set(users).size, 20)
    },
  },
  {
    id: 'MPL-3.3',
    text: 'Parallel first logins of one person MUST make one user.',
    why: 'A look-up followed by an insert makes two; 31 openids were found affected in one report.',
    how: `${PEOPLE} people, ${AT_ONCE} fresh codes each, all at once over all base URLs, in main and in the other app.`,
    source: 'ConnectAI-E/DataChat-API#19, frankbria/auto-author#228, baasbox/baasbox#840',
    async check(world) {
      const { service, profile } = world
      for (let round = 1; round <= PEOPLE; round += 1) {
        const person = world.someone()
        // With and without a unionid that joins users, which are two ways through a service.
        const app = (round % 2 ? profile.apps.other : undefined) ?? profile.apps.main
        const codes = await Promise.all(Array.from({ length: AT_ONCE }, () => world.codeOf(person, app)))
        const answers = await Promise.all(codes.map((code) => service.login(code, { app })))
        const users = await usersOf(world, answers)
        expectSame('users of one person', new Set(users).size, 1)
        expectSame('the user at the next login', (await world.signIn(person, { app })).user, users[0])
      }
    },
  },
  {
    id: 'MPL-3.4',
    text: 'A reply that tells new users from known ones SHOULD say "new" once, and the same again to a repeated code.',
    why: 'Welcome gifts and onboarding hang on it.',
    how: 'Two logins of somebody new; then the first login’s reply repeated where the profile repeats it.',
    source: 'what clients ask of a first login',
    needs: ['is new'],
    async check(world) {
      const person = world.someone()
      const first = await world.signIn(person)
      const second = await world.signIn(person)
      expectSame('new, then known', [first.isNew, second.isNew], [true, false])
      if (world.profile.login.sameCodeAgain === 'refused') return
      const newcomer = await world.signIn()
      const again = expectSuccess(world.service, await world.service.login(newcomer.code), 'the same code again')
      expectSame('new, said again', again.isNew, true)
    },
  },
  {
    id: 'MPL-3.5',
    text: 'The openid of one app MUST NOT mean anybody in another app.',
    why: 'openids are per app; a table keyed by openid alone shows one user the data of another.',
    how: 'The simulator gives the same openid, without a unionid, in two apps.',
    source: 'tencentyun/wafer2-node-sdk#57; api_code2session',
    needs: ['other app'],
    async check(world) {
      const openid = `oSame${world.someone()}`
      await world.wechat.fail({ path: CODE2SESSION, merge: { openid, unionid: null } })
      const here = await world.signIn(world.someone())
      const there = await world.signIn(world.someone(), { app: world.profile.apps.other })
      expectDifferent(here, there, 'the same openid in two apps')
    },
  },
  {
    id: 'MPL-3.6',
    text: 'A person with one unionid MUST be one user in all apps that share their users.',
    why: 'Else a customer has an account for each of a company’s programs.',
    how: 'One person logs in to main and to sister.',
    source: 'union-id; casdoor/casdoor#1056',
    needs: ['sister app'],
    async check(world) {
      const person = world.someone()
      const here = await world.signIn(person)
      expectSame('the user in the sister app', (await inSister(world, person)).user, userOf(here))
    },
  },
  {
    id: 'MPL-3.7',
    text: 'Parallel first logins of one person in two apps that share their users MUST make one user.',
    why: 'The unique key on the openid does not help here: the openids differ.',
    how: `${PEOPLE} people, four codes for each app, all at once.`,
    source: 'union-id',
    needs: ['sister app'],
    async check(world) {
      const { service, profile } = world
      for (let round = 1; round <= PEOPLE; round += 1) {
        const person = world.someone()
        const apps = Array.from({ length: AT_ONCE }, (_, index) => (index % 2 ? sisterOf(profile) : profile.apps.main))
        const codes = await Promise.all(apps.map((app) => world.codeOf(person, app)))
        const answers = await Promise.all(codes.map((code, index) => service.login(code, { app: apps[index] })))
        const users = await usersOf(world, answers)
        expectSame('users of one person', new Set(users).size, 1)
      }
    },
  },
  {
    id: 'MPL-3.8',
    text: 'A unionid that appears later MUST be kept: the person stays the same user, and is found by it in the other apps.',
    why: 'Programs are bound to an Open Platform account long after their first users.',
    how: 'A login without unionid, one with it, then the first login in the sister app.',
    source: 'union-id',
    needs: ['sister app'],
    async check(world) {
      const person = world.someone()
      const before = await world.signIn(person, { unionid: false })
      expectSame('the user once the unionid appeared', (await world.signIn(person)).user, userOf(before))
      expectSame('the user in the sister app', (await inSister(world, person)).user, userOf(before))
    },
  },
  {
    id: 'MPL-3.9',
    text: 'Two users that turn out to be one person MUST NOT be merged silently, and their logins MUST go on working.',
    why: 'A merge hands over what the two had: it needs somebody’s decision.',
    how: 'Main without unionid, sister with it, then main with it: each keeps its user.',
    source: 'CVE-2026-53516 (linking by an identifier that is not verified)',
    needs: ['sister app'],
    async check(world) {
      const person = world.someone()
      const here = await world.signIn(person, { unionid: false })
      const there = await inSister(world, person)
      expectSame('the user in main', (await world.signIn(person)).user, userOf(here))
      expectSame('the user in sister', (await inSister(world, person)).user, userOf(there))
    },
  },
  {
    id: 'MPL-3.10',
    text: 'A unionid MUST NOT join users of apps that do not share them.',
    why: 'Another customer’s app behind the same service is another realm.',
    how: 'The simulator tells the unionid of a user of main in the other app.',
    source: 'CVE-2026-53516; union-id',
    needs: ['other app'],
    async check(world) {
      const person = world.someone()
      const here = await world.signIn(person)
      const { unionid } = await world.wechat.person(here.app.appid, person)
      if (unionid === undefined) throw new CannotTest('the main app has no openPlatform in the profile')
      await world.wechat.fail({ path: CODE2SESSION, merge: { unionid }, times: 1 })
      const there = await world.signIn(person, { app: world.profile.apps.other })
      expectDifferent(here, there, 'one unionid in apps that share no users')
    },
  },
  {
    id: 'MPL-3.11',
    text: 'What the client says of its own identity MUST NOT count.',
    why: 'Servers were seen that take openid or user id from the body.',
    how: 'Members openid, unionid, user_id, userId, sub, session_key of another user beside an own code.',
    source: 'OWASP API1:2023, API3:2023',
    async check(world) {
      const victim = await world.signIn()
      const { openid, unionid } = await world.wechat.person(victim.app.appid, victim.person)
      const claimed = { openid, unionid, openId: openid, unionId: unionid, user_id: victim.user, userId: victim.user }
      const code = await world.codeOf(world.someone())
      const answer = await world.service.login(code, { extra: { ...claimed, sub: victim.user, user: victim.user } })
      if (!world.service.succeeded(answer)) return expectRefused(world.service, answer, 'invalidRequest', 'the body')
      const thief = await world.tokensOf(answer, 'a login')
      expectThat(thief.user !== victim.user, 'another user than the one that the body names', inspect(thief.user))
    },
  },
  {
    id: 'MPL-3.12',
    text: 'The id of a user SHOULD NOT be, or hold, an id of the platform.',
    why: 'An openid in URLs and logs of every service is personal data there, and ties the account to one app.',
    how: 'The user id compared with openid and unionid.',
    source: 'PIPL article 6 (least possible); OWASP ASVS 5.0 14.2.6',
    async check(world) {
      const { user, app, person } = await world.signIn()
      const { openid, unionid } = await world.wechat.person(app.appid, person)
      for (const id of [openid, unionid])
        expectThat(id === undefined || !userOf({ user }).includes(id), 'an id of its own', 'the openid or unionid')
    },
  },
]

export const identity: Section = {
  title: 'Who it is',
  about:
    'A platform identity is (platform, appid, openid), with a unionid when there is one; the user behind it is one, and stays.',
  requirements,
}

const usersOf = (world: World, answers: readonly Answer[]): Promise<string[]> =>
  Promise.all(answers.map(async (answer) => userOf(await world.tokensOf(answer, 'a parallel first login'))))

const sisterOf = ({ apps }: World['profile']): App => apps.sister ?? apps.main

const inSister = (world: World, person: string) => world.signIn(person, { app: sisterOf(world.profile) })

function expectDifferent(here: SignedIn, there: SignedIn, what: string): void {
  expectThat(userOf(here) !== userOf(there), `${what}: two users`, 'one user')
}
