/** Section 9: users that are suspended, reinstated and erased. */
import {
  eventually,
  expectDone,
  expectNoTokens,
  expectRefused,
  expectSame,
  expectSuccess,
  expectThat,
} from '../checks.ts'
import { type Answer, shown } from '../http.ts'
import { CannotTest, type Requirement, type Section } from '../requirement.ts'
import { CODE2SESSION } from '../wechat.ts'
import { type SignedIn, userOf, type World } from '../world.ts'
import { expectAlive, expectDead, expectListed } from './ending.ts'

async function act(world: World, name: 'suspend' | 'reinstate', user: string | undefined): Promise<void> {
  const spec = world.profile.operator[name]
  if (!spec || user === undefined) throw new CannotTest(`operator.${name} and login.answer.user in the profile`)
  expectDone(world.service, await world.service.call(spec, { user }), `the operator's ${name}`)
}

async function eraseWith(world: World, session: SignedIn, code: string): Promise<Answer> {
  const { erase } = world.profile
  if (!erase) throw new CannotTest('erase in the profile')
  return await world.service.call(erase, { access_token: session.access, user: session.user, code })
}

async function erase(world: World, session: SignedIn): Promise<void> {
  const answer = await eraseWith(world, session, await world.codeOf(session.person, session.app))
  expectDone(world.service, answer, 'the erasure')
}

const requirements: Requirement[] = [
  {
    id: 'MPL-9.1',
    text: 'A suspended user MUST be refused everywhere at once: login, refresh, access token.',
    why: 'A ban with a gap of one login path or of a token’s lifetime is none.',
    how: 'Two sessions; suspended by the operator; both tokens of both, and a login with a fresh code, on every replica.',
    source: 'OWASP ASVS 5.0 7.4.2; CVE-2023-22492 (Zitadel), CVE-2026-78357 (OTRS)',
    needs: ['suspend'],
    async check(world) {
      const person = world.someone()
      const [first, second] = [await world.signIn(person), await world.signIn(person)]
      await act(world, 'suspend', first.user)
      for (const session of [first, second]) await expectDead(world, session, 'a suspended user')
      for (let base = 0; base < world.service.bases.length; base += 1) {
        const answer = await world.service.login(await world.codeOf(person), { base })
        expectRefused(world.service, answer, 'suspended', 'a login of a suspended user')
      }
      if (world.profile.statusList && world.profile.jwks) await expectListed(world, first)
    },
  },
  {
    id: 'MPL-9.2',
    text: 'A suspended user MUST be refused in every app that shares users.',
    why: 'The other program is the way around the ban.',
    how: 'Suspended in main, login in sister, also for somebody who was never there.',
    source: 'OWASP ASVS 5.0 6.3.4',
    needs: ['suspend', 'sister app'],
    async check(world) {
      const { sister } = world.profile.apps
      const session = await world.signIn()
      await act(world, 'suspend', session.user)
      const answer = await world.service.login(await world.codeOf(session.person, sister), { app: sister })
      expectRefused(world.service, answer, 'suspended', 'a login of a suspended user in the sister app')
    },
  },
  {
    id: 'MPL-9.3',
    text: 'A repeated code MUST NOT pass by a suspension.',
    why: 'What is kept for lost replies was decided before the ban.',
    how: 'Log in, suspend, send the same code again at once.',
    source: 'OWASP ASVS 5.0 7.4.2',
    needs: ['suspend'],
    async check(world) {
      const session = await world.signIn()
      await act(world, 'suspend', session.user)
      const answer = await world.service.login(session.code)
      expectRefused(world.service, answer, ['suspended', 'codeInvalid'], 'the code of a suspended user')
    },
  },
  {
    id: 'MPL-9.4',
    text: 'A reinstated user MUST be able to log in as the same user, and the sessions that ended MUST stay ended.',
    why: 'A stolen session must not come back with the ban’s end.',
    how: 'Suspend, reinstate; the old tokens, then a login.',
    source: 'OWASP ASVS 5.0 7.4.1',
    needs: ['suspend', 'reinstate'],
    async check(world) {
      const session = await world.signIn()
      await act(world, 'suspend', session.user)
      await act(world, 'reinstate', session.user)
      await expectDead(world, session, 'a session that ended by suspension')
      expectSame('the user', userOf(await world.signIn(session.person)), userOf(session))
    },
  },
  {
    id: 'MPL-9.5',
    text: 'An erasure MUST end every session of the user and no one else’s.',
    why: 'An account that is gone and still acts is neither.',
    how: 'Two sessions of one person and one of another; erased; all tokens of both.',
    source: 'PIPL article 47; OWASP ASVS 5.0 7.4.2',
    needs: ['erase'],
    async check(world) {
      const person = world.someone()
      const [first, second, other] = [await world.signIn(person), await world.signIn(person), await world.signIn()]
      await erase(world, first)
      for (const session of [first, second]) await expectDead(world, session, 'an erased user')
      await expectAlive(world, other, 'another person')
      if (world.profile.statusList && world.profile.jwks) await expectListed(world, second)
    },
  },
  {
    id: 'MPL-9.6',
    text: 'After an erasure the same person MUST be a new user at the next login, and MUST NOT be locked out.',
    why: 'What is erased is not found again; who leaves may come back.',
    how: 'Erase, then logins with fresh codes: another user, the same at each.',
    source: 'PIPL article 47',
    needs: ['erase'],
    async check(world) {
      const session = await world.signIn()
      await erase(world, session)
      const again = await world.signIn(session.person)
      expectThat(again.user !== session.user, 'another user than the erased one', `${again.user}`)
      if (world.profile.login.answer.isNew) expectSame('new', again.isNew, true)
      expectSame('the user at the login after', userOf(await world.signIn(session.person)), userOf(again))
    },
  },
  {
    id: 'MPL-9.7',
    text: 'A code of before an erasure MUST NOT bring anything back: no session, no account, no identity.',
    why: 'What is kept for lost replies holds the openid of somebody who is gone: put back, it locks the person out for good.',
    how: 'Log in with C, erase, send C again; for a new user and for a known one, in main and in the other app; then fresh codes work.',
    source: 'PIPL article 47',
    needs: ['erase'],
    async check(world) {
      const { main, other } = world.profile.apps
      for (const app of other ? [main, other] : [main])
        for (const known of [false, true]) {
          const person = world.someone()
          if (known) await world.signIn(person, { app })
          const session = await world.signIn(person, { app })
          await erase(world, session)
          const answer = await world.service.login(session.code, { app })
          expectThat(answer.status >= 400 && answer.status < 500, 'the old code is refused with 4xx', shown(answer))
          expectNoTokens(world.service, answer, 'the code of before an erasure')
          const again = await world.signIn(person, { app })
          expectThat(again.user !== session.user, 'another user than the erased one', `${again.user}`)
        }
    },
  },
  {
    id: 'MPL-9.8',
    text: 'An erasure MUST need a fresh code of the same person.',
    why: 'A stolen access token must not be enough to destroy an account.',
    how: 'Without a code, with a used one, with another person’s: refused, and the account lives.',
    source: 'OWASP ASVS 5.0 7.5.1 (re-authentication before a sensitive act)',
    needs: ['erase'],
    async check(world) {
      const { service, profile } = world
      if (profile.erase?.proof === 'none') throw new CannotTest('erase.proof is none: this requirement is not met')
      const session = await world.signIn()
      const codes = ['', session.code, await world.codeOf(world.someone()), world.unknownCode()]
      for (const code of codes) {
        const answer = await eraseWith(world, session, code)
        expectThat(answer.status >= 400 && answer.status < 500, 'an erasure without proof is refused', shown(answer))
      }
      await expectAlive(world, session, 'a user that was not erased')
      expectSame('the user', userOf(await world.signIn(session.person)), userOf(session))
      expectThat((await world.wechat.calls(CODE2SESSION)).length > 0, 'the proof is asked of the platform', 'no call')
      expectSuccess(service, await service.login(await world.codeOf(session.person)), 'a login')
    },
  },
  {
    id: 'MPL-9.9',
    text: 'An erased person MUST be erased in every app that shares users.',
    why: 'The unionid in the second app finds the account again.',
    how: 'Sessions in main and sister; erased in main; the sister’s session is dead, and a login there makes a new user.',
    source: 'PIPL article 47',
    needs: ['erase', 'sister app'],
    async check(world) {
      const { sister } = world.profile.apps
      const person = world.someone()
      const [here, there] = [await world.signIn(person), await world.signIn(person, { app: sister })]
      await erase(world, here)
      await expectDead(world, there, 'an erased user’s session in the sister app')
      await eventually(2, async () => {
        const again = await world.signIn(person, { app: sister })
        expectThat(again.user !== there.user, 'another user than the erased one', `${again.user}`)
      })
    },
  },
]

export const users: Section = {
  title: 'Suspended and erased users',
  about: 'A decision about a user reaches every way in, at once.',
  requirements,
}
