/** Section 11: what no reply may hold, whatever happened. */
import { decodeJwt } from 'jose'
import { expectThat } from '../checks.ts'
import type { Answer } from '../http.ts'
import { CannotTest, type Requirement, type Section } from '../requirement.ts'
import { CODE2SESSION } from '../wechat.ts'
import type { World } from '../world.ts'

/** Everything that an answer tells: its headers, its body, and what the JWTs in it say. */
function toldBy(answer: Answer): string {
  const jwts = answer.text.match(/eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g) ?? []
  const claims = jwts.map((jwt) => {
    try {
      return JSON.stringify(decodeJwt(jwt))
    } catch {
      return ''
    }
  })
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`)
  return [...headers, answer.text, ...claims].join('\n')
}

/** A text and the forms in which it may slip out. */
const spellings = (secret: string) => [
  secret,
  encodeURIComponent(secret),
  JSON.stringify(secret).slice(1, -1),
  secret.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, ''),
  secret.replaceAll('/', '\\/'),
]

function expectUntold(answers: readonly Answer[], what: string, secrets: readonly (string | undefined)[]): void {
  for (const answer of answers) {
    const told = toldBy(answer)
    for (const secret of secrets)
      if (secret !== undefined && spellings(secret).some((text) => told.includes(text)))
        expectThat(false, `no ${what} in any reply`, `${what} in the reply to ${answer.request} (${answer.status})`)
  }
}

type Life = { answers: Answer[]; person: string; openid: string; unionid: string | undefined; sessionKeys: string[] }

/** A person's whole life at the service, good days and bad, with every reply of it. */
async function life(world: World): Promise<Life> {
  const { service, wechat, profile } = world
  const { appid } = profile.apps.main
  const person = world.someone()
  const answers: Answer[] = []
  const sessionKeys: string[] = []
  const login = async (extra: Record<string, unknown> = {}, more: { code?: string } = {}) => {
    const code = more.code ?? (await world.codeOf(person))
    const answer = await service.login(code, { extra })
    sessionKeys.push((await wechat.person(appid, person)).session_key)
    answers.push(answer)
    return { ...service.tokensIn(answer), code }
  }
  const session = await login()
  await login({}, { code: session.code })
  const { rawData = '', signature = '', encryptedData = '', iv = '' } = profile.login.brings
  if (rawData) await login({ [rawData]: '{}', [signature]: '0'.repeat(40) })
  if (encryptedData) await login({ [encryptedData]: 'AAAA', [iv]: 'AAAA' })
  for (const fault of [{ errcode: 40029 }, { errcode: -1 }, { errcode: 40125 }, { body: '<html>' }, { drop: true }]) {
    await wechat.fail({ path: CODE2SESSION, ...fault })
    await login()
    await wechat.clearFaults()
    await world.signIn()
  }
  if (profile.refresh && session.refresh) answers.push(await service.refresh(session.refresh))
  if (profile.me) answers.push(await service.me(session.access))
  if (profile.sessions) answers.push(await service.call(profile.sessions.list, { access_token: session.access }))
  if (profile.logout) answers.push(await service.logout(session))
  for (const path of [profile.jwks, ...(profile.metadata ?? [])])
    if (path !== undefined) answers.push(await service.get(path))
  const { openid, unionid } = await wechat.person(appid, person)
  return { answers, person, openid, unionid, sessionKeys }
}

const requirements: Requirement[] = [
  {
    id: 'MPL-11.1',
    text: 'The session_key MUST NOT be in any reply: no body, no header, no token.',
    why: 'With it anybody forges the user’s signed data; WeChat forbids handing it out.',
    how: 'A life of logins, failures, refresh and logout; every reply and every JWT in them is searched for each session_key, in four spellings; then all replies of this run.',
    source: 'framework/open-ability/signature; casdoor 17cb08fb5 (session_key in the reply)',
    async check(world) {
      const { answers, sessionKeys } = await life(world)
      expectUntold([...answers, ...world.service.http.answers], 'session_key', [...new Set(sessionKeys)])
    },
  },
  {
    id: 'MPL-11.2',
    text: 'The AppSecret MUST NOT be in any reply.',
    why: 'It stands in the URL of the exchange, and URLs stand in error messages.',
    how: 'The same replies, searched for the secrets of all apps.',
    source: 'casdoor#658; OWASP ASVS 5.0 14.2.1',
    async check(world) {
      await life(world)
      const secrets = Object.values(world.profile.apps).flatMap((app) => app?.secret ?? [])
      const short = secrets.filter((secret) => secret.length < 12)
      if (short.length > 0) throw new CannotTest('an AppSecret in the profile is too short to be told from other words')
      expectUntold(world.service.http.answers, 'AppSecret', secrets)
    },
  },
  {
    id: 'MPL-11.3',
    text: 'openid and unionid MUST NOT be in replies and tokens unless the profile says so.',
    why: 'They are personal data, and what a client can read it can be made to send.',
    how: 'The same replies, searched for both.',
    source: 'PIPL article 6; framework/open-ability/login',
    async check(world) {
      const { answers, openid, unionid } = await life(world)
      const { exposes } = world.profile
      if (!exposes.includes('openid')) expectUntold(answers, 'openid', [openid])
      if (!exposes.includes('unionid')) expectUntold(answers, 'unionid', [unionid])
    },
  },
  {
    id: 'MPL-11.4',
    text: "The platform's error text MUST NOT be passed on.",
    why: 'It holds our address (40164), request ids for support, and whatever it will hold tomorrow.',
    how: 'Errors with a marked errmsg of every class; the marks are searched for.',
    source: 'commErrCode (40164 names the caller’s IP)',
    async check(world) {
      const { service, wechat } = world
      const mark = `mark-${world.someone()}`
      const from = service.http.answers.length
      for (const errcode of [40029, 40164, 45011, 40226, 99999, -1]) {
        await wechat.fail({ path: CODE2SESSION, errcode, errmsg: `invalid ip 192.0.2.77 ${mark}` })
        await service.login(await world.codeOf(world.someone()))
        await wechat.clearFaults()
        await world.signIn()
      }
      await wechat.fail({ path: CODE2SESSION, httpStatus: 502, body: `<html>${mark}</html>`, times: 1 })
      await service.login(await world.codeOf(world.someone()))
      expectUntold(service.http.answers.slice(from), "platform's error text", [mark, '192.0.2.77'])
    },
  },
  {
    id: 'MPL-11.5',
    text: 'A failure MUST NOT tell of the inside: no stack, path, SQL, host or version.',
    why: 'It is the first page of every attack.',
    how: 'The replies of that life and of malformed requests, searched for traces of common languages, and for X-Powered-By and Server with a version.',
    source: 'OWASP ASVS 5.0 16.5.1, 13.4.6',
    async check(world) {
      const { answers } = await life(world)
      const { service } = world
      for (const body of ['{', '[]', '{"code":{}}']) answers.push(await service.login('', { body }))
      if (world.profile.refresh) answers.push(await service.refresh('x.y.z'), await service.refresh('0.0.0'))
      const traces =
        /\bat .+\.[jt]s:\d+|Traceback|node_modules|\.py", line|\bSELECT\b.+\bFROM\b|ECONNREFUSED|Exception\b.*\bat\b|SyntaxError|TypeError|postgres:\/\/|redis:\/\//
      for (const { text, headers, request, status } of answers) {
        const [trace] = traces.exec(text) ?? []
        expectThat(trace === undefined, 'nothing of the inside in a reply', `${request} (${status}): ${trace}`)
        for (const name of ['x-powered-by', 'server'])
          expectThat(!/\d/.test(headers.get(name) ?? ''), `no version in ${name}`, `${headers.get(name)}`)
      }
    },
  },
  {
    id: 'MPL-11.6',
    text: 'Replies SHOULD NOT repeat the login code or the refresh token that was sent.',
    why: 'What is echoed in an error lands in the client’s error reports.',
    how: 'Refused codes and tokens, searched for in their replies.',
    source: 'OWASP ASVS 5.0 16.2.5',
    async check(world) {
      const { service, profile } = world
      const marked = 'echo0123456789echo0123456789'
      const answers = [await service.login(marked), await service.login(marked, { body: `{"code":["${marked}"]}` })]
      if (profile.refresh) answers.push(await service.refresh(marked))
      if (profile.logout)
        answers.push(
          await service.logout({ ...service.tokensIn(answers[0] as Answer), access: marked, refresh: marked }),
        )
      expectUntold(answers, 'code or token that was sent', [marked])
    },
  },
]

export const secrets: Section = {
  title: 'Secrets',
  about: 'Read all the replies at once, as somebody with a proxy would.',
  requirements,
}
