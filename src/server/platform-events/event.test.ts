/** What is read out of events, however they are written. */
import { describe, expect, test } from 'vitest'
import { describeEvent, openidOf, readWithdrawal } from './event.ts'
import { membersOf, readMembers } from './members.ts'

const withdrawal = (RevokeInfo: unknown) => readWithdrawal(membersOf({ RevokeInfo }))

describe('RevokeInfo', () => {
  test.each<[unknown, string[], boolean]>([
    [8, ['phone'], false],
    ['8', ['phone'], false],
    [' 8 ', ['phone'], false],
    [['8', 2], ['phone', 'address'], false],
    ['2,8', ['address', 'phone'], false],
    ['16', ['email'], false],
    ['6', ['nickname', 'avatar'], false],
    ['19', ['nickname', 'avatar'], false],
    ['20', ['nickname', 'avatar'], false],
    ['205', ['nickname', 'avatar'], false],
    ['301', ['nickname', 'avatar', 'phone', 'email', 'address'], false],
    ['13', [], true],
    [['8', '13'], ['phone'], true],
    ['', [], true],
    [undefined, [], true],
    [null, [], true],
    [{ 8: 8 }, [], true],
    ['constructor', [], true],
  ])('%j clears %j', (given, fields, others) => {
    expect(withdrawal(given)).toMatchObject({ fields, others })
  })
})

describe('members', () => {
  test('are found though their names have blanks around them', () => {
    expect(openidOf(membersOf({ ' OpenID': 'o1' }))).toBe('o1')
    expect(openidOf(readMembers('<xml><OpenID><![CDATA[o1]]></OpenID></xml>')?.members ?? new Map())).toBe('o1')
  })

  test('that are no openid are none', () => {
    for (const OpenID of [undefined, '', ' ', null, {}, ['o1'], 'a b', 'x'.repeat(200), 'é', '\0'])
      expect(openidOf(membersOf({ OpenID }))).toBeUndefined()
  })

  test('of XML may repeat, and what was inherited is none', () => {
    const repeated = readMembers('<xml><RevokeInfo>8</RevokeInfo><RevokeInfo>2</RevokeInfo></xml>')
    expect(readWithdrawal(repeated?.members ?? new Map()).fields).toEqual(['phone', 'address'])
    expect(readMembers('{}')?.members.get('constructor')).toBeUndefined()
  })
})

describe('hostile XML', () => {
  const bomb = `<?xml version="1.0"?><!DOCTYPE x [${Array.from({ length: 9 }, (_, n) => `<!ENTITY a${n + 1} "${`&a${n};`.repeat(10)}">`).join('')}]><xml><Encrypt>&a9;</Encrypt></xml>`
  test.each([
    ['with entities', bomb],
    ['with an outer entity', '<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml><a>&x;</a></xml>'],
    ['10,000 levels deep', '<a>'.repeat(10_000)],
    ['cut off in a tag', '<xml><Encrypt'],
    ['that is text', '<xml>text</xml>'],
  ])('%s is no message', (_what, text) => {
    expect(readMembers(text)).toBeUndefined()
  })

  test('names of prototypes change nothing', () => {
    readMembers('<xml><__proto__><polluted>1</polluted></__proto__></xml>')
    readMembers('{"__proto__":{"polluted":1}}')
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })
})

describe('the digest', () => {
  const digest = (message: string, appid = 'wx1') => describeEvent('wechat', appid, message).digest
  test('is the same for the same event in another order or with blanks around names', () => {
    const one = digest('{"Event":"user_authorization_revoke","OpenID":"o1","CreateTime":1}')
    expect(digest('{ " OpenID":"o1", "CreateTime":1, "Event":"user_authorization_revoke" }')).toBe(one)
    expect(
      digest('<xml><OpenID>o1</OpenID><CreateTime>1</CreateTime><Event>user_authorization_revoke</Event></xml>'),
    ).toBe(one)
  })
  test('is another for another event, app or message', () => {
    const all = [
      digest('{"Event":"e","OpenID":"o1","CreateTime":1}'),
      digest('{"Event":"e","OpenID":"o1","CreateTime":2}'),
      digest('{"Event":"e","OpenID":"o1","CreateTime":1}', 'wx2'),
      digest('{"Event":"e","RevokeInfo":["8"],"OpenID":"o1","CreateTime":1}'),
      digest('{}'),
      digest('[]'),
      digest('text'),
    ]
    expect(new Set(all).size).toBe(all.length)
  })
  test('is made of whatever comes, however deep', () => {
    const deep = `{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`
    expect(describeEvent('wechat', 'wx1', deep)).toMatchObject({
      kind: 'other',
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
  })
})
