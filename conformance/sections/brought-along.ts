/** Section 4: what a login says about the person: plain, signed or encrypted, and often nonsense. */
import { encryptOpenData, signRawData } from '../../src/dev/simulator/wechat-crypto.ts'
import { expectRefused, expectSame, expectSuccess, expectThat, inspect } from '../checks.ts'
import type { Answer } from '../http.ts'
import type { Profile } from '../profile.ts'
import type { Requirement, Section } from '../requirement.ts'
import { memberAt } from '../template.ts'
import type { UserInfo, UserInfoOptions } from '../wechat.ts'
import type { World } from '../world.ts'

/** What every client has been called since 2022-11-08. */
const PLACEHOLDER = '微信用户'

type Kind = 'userinfo' | 'signed' | 'encrypted'

/** The members of a login's body that carry this kind of data. */
function membersOf({ login: { brings } }: Profile, kind: Kind, info: Partial<UserInfo>): Record<string, unknown> {
  if (kind === 'userinfo') return { [brings.userinfo ?? '']: info.userInfo }
  if (kind === 'signed') return { [brings.rawData ?? '']: info.rawData, [brings.signature ?? '']: info.signature }
  return { [brings.encryptedData ?? '']: info.encryptedData, [brings.iv ?? '']: info.iv }
}

type Brought = { person: string; answer: Answer }

/** As a client does it: wx.login first, then the data under the session_key of this very login. */
async function loginWith(
  world: World,
  kind: Kind,
  make: (appid: string, person: string) => Promise<Partial<UserInfo>>,
  person = world.someone(),
): Promise<Brought> {
  const { appid } = world.profile.apps.main
  const code = await world.codeOf(person)
  const extra = membersOf(world.profile, kind, await make(appid, person))
  return { person, answer: await world.service.login(code, { extra }) }
}

const info = (world: World, options: UserInfoOptions) => (appid: string, person: string) =>
  world.wechat.userInfo(appid, person, options)

/** The data of kind `userinfo` as it stands. */
const plain = (value: unknown) => async () => ({ userInfo: value as UserInfo['userInfo'] })

async function nicknameAfter(world: World, brought: Brought, what: string): Promise<unknown> {
  return expectSuccess(world.service, brought.answer, what).nickname
}

async function refusesData(
  world: World,
  kind: Kind,
  what: string,
  make: Parameters<typeof loginWith>[2],
): Promise<void> {
  const { answer } = await loginWith(world, kind, make)
  expectRefused(world.service, answer, 'dataInvalid', `a login with ${what}`)
}

const requirements: Requirement[] = [
  {
    id: 'MPL-4.1',
    text: 'A plain userinfo of whatever form MUST NOT refuse a login.',
    why: 'It is written by clients of every age; the code beside it is good, and is gone after a refusal.',
    how: 'gender "f" and "", a name of 200 characters, half an emoji, a data URL, numbers for texts, null, a text, a list, nothing.',
    source: 'wx.getUserInfo, 2018 to 2022, and the clients that copy its form',
    needs: ['user info'],
    async check(world) {
      const odd: unknown[] = [
        { nickName: 'Ann', gender: 'f' },
        { nickName: 'Ann', gender: '' },
        { nickName: 'Ann', gender: 1.5 },
        { nickName: 'n'.repeat(200) },
        { nickName: 'half \ud83d' },
        { nickName: 'nul \u0000' },
        { nickName: 17, avatarUrl: 17 },
        { nickName: '', avatarUrl: `data:image/png;base64,${'A'.repeat(3000)}` },
        { nickName: { deep: true }, unknown: [] },
        null,
        'Ann',
        ['Ann'],
        {},
      ]
      for (const value of odd) {
        const { answer } = await loginWith(world, 'userinfo', plain(value))
        expectSuccess(world.service, answer, `a login with userinfo ${JSON.stringify(value).slice(0, 60)}`)
      }
    },
  },
  {
    id: 'MPL-4.2',
    text: 'The placeholder name that WeChat gives everybody SHOULD NOT become anybody’s nickname.',
    why: 'Since 2022-11-08 every client says "微信用户" with a grey picture.',
    how: 'The anonymous userinfo at a first login; the nickname in the reply.',
    source: 'developers.weixin.qq.com community 00022c683e8a80b29bed2142b56c01; WxJava#2733',
    needs: ['user info', 'nickname'],
    async check(world) {
      const nickname = await nicknameAfter(world, await loginWith(world, 'userinfo', info(world, {})), 'a login')
      expectThat(nickname !== PLACEHOLDER, 'no nickname', inspect(nickname))
    },
  },
  {
    id: 'MPL-4.3',
    text: 'A name that the person chose SHOULD be taken over from userinfo.',
    why: 'Clients collect it by the nickname input and send it with the login.',
    how: 'A name at a first login; the nickname in the reply.',
    source: 'userProfile (nickname input)',
    needs: ['user info', 'nickname'],
    async check(world) {
      const brought = await loginWith(world, 'userinfo', info(world, { profile: { nickName: '小明' } }))
      expectSame('the nickname', await nicknameAfter(world, brought, 'a login'), '小明')
    },
  },
  {
    id: 'MPL-4.4',
    text: 'rawData with its signature under this login’s session_key MUST be accepted byte for byte.',
    why: 'sha1(rawData + session_key) is over the exact text: parsed and printed again it is another.',
    how: 'Signed data with blanks, escapes and odd order; then the login and its nickname.',
    source: 'framework/open-ability/signature',
    needs: ['signed data'],
    async check(world) {
      const { answer } = await loginWith(world, 'signed', async (appid, person) => {
        const { session_key } = await world.wechat.person(appid, person)
        const rawData = '{ "city":"",\n "nickName":"\\u5c0f\\u660e 2" , "gender" : 1}'
        return { rawData, signature: signRawData(rawData, session_key) }
      })
      const { nickname } = expectSuccess(world.service, answer, 'a login with signed data')
      if (world.profile.login.answer.nickname) expectSame('the nickname', nickname, '小明 2')
    },
  },
  {
    id: 'MPL-4.5',
    text: 'rawData whose signature does not fit MUST be refused: changed, unsigned, signed under another person’s or an older session_key.',
    why: 'Signed data is believed where plain data is not.',
    how: 'Each of them; no token in the answer.',
    source: 'framework/open-ability/signature',
    needs: ['signed data'],
    async check(world) {
      const { wechat } = world
      const right = (appid: string, person: string) => wechat.userInfo(appid, person, { profile: { nickName: 'Ann' } })
      await refusesData(world, 'signed', 'changed data', async (appid, person) => {
        const { rawData, signature } = await right(appid, person)
        return { rawData: rawData.replace('Ann', 'Eve'), signature }
      })
      await refusesData(world, 'signed', 'a signature of zeros', async (appid, person) => ({
        ...(await right(appid, person)),
        signature: '0'.repeat(40),
      }))
      await refusesData(world, 'signed', 'another person’s data', async (appid) => right(appid, world.someone()))
      const older = world.someone()
      const stale = await right(world.profile.apps.main.appid, older)
      const { answer } = await loginWith(world, 'signed', async () => stale, older)
      expectRefused(world.service, answer, 'dataInvalid', 'a login with data of before wx.login')
    },
  },
  {
    id: 'MPL-4.6',
    text: 'encryptedData of this login MUST be opened.',
    why: 'AES-128-CBC under the decoded session_key; the three byte forms of the key are the usual mistake.',
    how: 'Encrypted user info at a first login; the login, and its nickname.',
    source: 'framework/open-ability/signature',
    needs: ['encrypted data'],
    async check(world) {
      const brought = await loginWith(world, 'encrypted', info(world, { profile: { nickName: '小红' } }))
      const { nickname } = expectSuccess(world.service, brought.answer, 'a login with encryptedData')
      if (world.profile.login.answer.nickname) expectSame('the nickname', nickname, '小红')
    },
  },
  {
    id: 'MPL-4.7',
    text: 'encryptedData whose watermark names another app MUST be refused.',
    why: 'Data taken in another program, of another owner, is pasted into this one.',
    how: 'Data under the right key with another appid in its watermark.',
    source: 'framework/open-ability/signature (watermark)',
    needs: ['encrypted data'],
    async check(world) {
      await refusesData(world, 'encrypted', 'another app’s watermark', info(world, { watermark: { appid: 'wx0' } }))
    },
  },
  {
    id: 'MPL-4.8',
    text: 'encryptedData whose watermark is an hour old SHOULD be refused.',
    why: 'The client fetches it right before the login; what is old was kept by somebody.',
    how: 'Data under the right key with a timestamp of an hour ago.',
    source: 'framework/open-ability/signature (watermark.timestamp)',
    needs: ['encrypted data'],
    async check(world) {
      const timestamp = Math.floor(Date.now() / 1000) - 3600
      await refusesData(world, 'encrypted', 'a watermark of an hour ago', info(world, { watermark: { timestamp } }))
    },
  },
  {
    id: 'MPL-4.9',
    text: 'encryptedData that does not open, or names another openId, MUST be refused and never answered as a defect.',
    why: 'A wrong key gives bad padding in most cases and nonsense in the rest; both happen daily.',
    how: 'Another person’s data, changed data, an iv of wrong length, text that is no base64, another openId under the right key.',
    source: 'xlstudio/wxbizdatacrypt#4; binarywang/WxJava#359',
    needs: ['encrypted data'],
    async check(world) {
      const { wechat } = world
      await refusesData(world, 'encrypted', 'another person’s data', (appid) => wechat.userInfo(appid, world.someone()))
      await refusesData(world, 'encrypted', 'changed data', async (appid, person) => {
        const { encryptedData, iv } = await wechat.userInfo(appid, person)
        return { encryptedData: `AAAA${encryptedData.slice(4)}`.slice(0, -24), iv }
      })
      for (const wrong of [{ iv: 'AAAA' }, { iv: '*'.repeat(24) }, { encryptedData: 'no base64 at all' }])
        await refusesData(world, 'encrypted', JSON.stringify(wrong), async (appid, person) => ({
          ...(await wechat.userInfo(appid, person)),
          ...wrong,
        }))
      await refusesData(world, 'encrypted', 'another openId', async (appid, person) => {
        const other = await wechat.person(appid, world.someone())
        const { session_key } = await wechat.person(appid, person)
        const watermark = { appid, timestamp: Math.floor(Date.now() / 1000) }
        return encryptOpenData(JSON.stringify({ openId: other.openid, nickName: 'Eve', watermark }), session_key)
      })
    },
  },
  {
    id: 'MPL-4.10',
    text: 'A picture that plain userinfo names SHOULD be taken over only from the platform’s own host, over https.',
    why: 'Anybody can write the plain object: a tracking pixel, a `javascript:` link, a look-alike host.',
    how: 'Avatars on other hosts, look-alikes and other schemes; the profile afterwards.',
    source: 'OWASP API7:2023',
    needs: ['user info', 'me', 'avatar'],
    async check(world) {
      const urls = [
        'https://evil.example/a.png',
        'https://qlogo.cn.evil.example/a.png',
        'https://evilqlogo.cn/a',
        'javascript:alert(1)//.qlogo.cn/',
      ]
      for (const avatarUrl of urls) {
        const { answer } = await loginWith(world, 'userinfo', info(world, { profile: { avatarUrl } }))
        const { access } = expectSuccess(world.service, answer, 'a login')
        const seen = memberAt((await world.service.me(access)).json, world.profile.me?.answer.avatar)
        expectThat(seen !== avatarUrl, `no avatar from ${avatarUrl}`, inspect(seen))
      }
    },
  },
]

export const broughtAlong: Section = {
  title: 'What a login brings along',
  about: 'Plain user info is anybody’s text, signed and encrypted data is believed once it fits this very login.',
  requirements,
}
