/** The console as a support person meets it: every act in a real Chromium, without JavaScript. */
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ConsoleVisit, startConsole } from '../../dev/testing/console-site.ts'
import { BOSS, DEPUTY, ORDERS, READER } from '../../dev/testing/console-tokens.ts'

let site: Awaited<ReturnType<typeof startConsole>>
const visits: ConsoleVisit[] = []
let people = 0

beforeAll(async () => {
  site = await startConsole()
})
afterAll(() => site?.stop())
afterEach(async () => {
  for (const visit of visits.splice(0)) await visit.close()
})

async function visit(token: string | undefined = BOSS): Promise<Page> {
  const made = await site.visit()
  visits.push(made)
  if (token) await site.signIn(made.page, token)
  return made.page
}

/** A user of its own for a test, with so many sessions. */
async function user(sessions = 1): Promise<{ id: string; nickname: string; refreshTokens: string[] }> {
  people += 1
  const nickName = `顾客${people}号`
  const refreshTokens: string[] = []
  let id = ''
  for (let each = 0; each < sessions; each += 1) {
    const { data } = (
      await site.gateway.login(`person ${people}`, { userinfo: { nickName }, device: `Phone ${each + 1}` })
    ).body
    id = data.user_id
    refreshTokens.push(data.refresh_token)
  }
  return { id, nickname: nickName, refreshTokens }
}

const open = (page: Page, path: string) => page.goto(`${site.origin}/console${path}`)
const says = (page: Page, text: string) => page.locator('.say', { hasText: text }).first().waitFor()
const read = async (id: string) => (await site.gateway.internal('GET', `/admin/users/${id}`, { token: BOSS })).body.data
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })

describe('signing in', () => {
  test('says what is wrong with a token in an operator’s words, and then lets the right one in', async () => {
    const page = await visit('')
    await site.signIn(page, 'not-a-token-of-this-gateway-0123456789')
    await says(page, '令牌无效，请与 ADMIN_TOKENS 核对')
    await site.signIn(page, ORDERS)
    await says(page, '没有 admin 或 admin-read 权限')
    await site.signIn(page, BOSS)
    await page.getByRole('heading', { name: '用户', level: 1 }).waitFor()
    expect(await page.locator('.who').textContent()).toContain('boss')
    const [cookie] = await page.context().cookies()
    expect(cookie).toMatchObject({ name: 'console', httpOnly: true, sameSite: 'Strict' })
    await button(page, '退出').click()
    await says(page, '已退出')
    await open(page, '/keys')
    await says(page, '请先登录')
  })

  test('a token that may only read sees no form, and an act that is sent all the same is refused', async () => {
    const { id } = await user()
    const page = await visit(READER)
    await open(page, `/users/${id}`)
    await says(page, '只有 admin-read 权限')
    expect(await page.locator('main form').count()).toBe(0)
    await open(page, `/users/${id}/erase`)
    await says(page, '只有 admin-read 权限')
    const csrf = await page.locator('input[name=csrf]').first().getAttribute('value')
    const reply = await page.request.post(`${site.origin}/console/users/${id}/suspend`, {
      form: { csrf: csrf ?? '', reason: 'x' },
      headers: { origin: site.origin },
    })
    expect([reply.status(), await reply.text()]).toEqual([403, expect.stringContaining('缺少权限 admin')])
    expect(await read(id)).toMatchObject({ status: 'active' })
  })
})

describe('a user', () => {
  test('is found, suspended with a reason, found again as suspended, and reinstated', async () => {
    const { id, nickname, refreshTokens } = await user(2)
    const page = await visit()
    await page.getByLabel('内容').fill(nickname.slice(0, -1))
    await button(page, '查找').click()
    await page.getByRole('link', { name: nickname }).click()
    await page.getByLabel('原因').fill('   ')
    await button(page, '停用').click()
    await page.locator('#reason-error', { hasText: '请填写原因' }).waitFor()
    await page.getByLabel('原因').fill('刷单，工单 4711')
    await button(page, '停用').click()
    await says(page, '已停用，全部会话已结束')
    await says(page, '刷单，工单 4711')
    await says(page, 'operator:boss')
    const refused = await site.gateway.post('/api/refresh', { refresh_token: refreshTokens[0] })
    expect(refused.body.code).toBe('A0202')

    await open(page, '')
    await page.getByLabel('状态').selectOption('suspended')
    await button(page, '查找').click()
    await page.getByRole('link', { name: nickname }).click()
    await button(page, '恢复').click()
    await says(page, '已恢复')
    // Said once.
    await page.reload()
    expect(await page.locator('.say').count()).toBe(0)
    expect(await read(id)).toMatchObject({ status: 'active' })
  })

  test('has one session ended, then all', async () => {
    const { id, refreshTokens } = await user(3)
    const page = await visit()
    await open(page, `/users/${id}`)
    await page.getByRole('button', { name: '结束这个会话：Phone 2' }).click()
    await says(page, '会话已结束')
    expect((await read(id)).sessions).toHaveLength(2)
    const ended = await site.gateway.post('/api/refresh', { refresh_token: refreshTokens[1] })
    expect(ended.body.code).toBe('A0230')
    await page.getByText('结束全部会话…').click()
    await button(page, '结束全部会话').click()
    await says(page, '全部会话已结束')
    expect((await read(id)).sessions).toEqual([])
  })

  test('is given roles, an external id and claims; what cannot be stored is said beside its field and kept', async () => {
    const { id } = await user()
    const other = await user()
    const page = await visit()
    await open(page, `/users/${other.id}`)
    await page.getByLabel('外部 ID', { exact: true }).fill('crm-1')
    await button(page, '保存: 外部 ID').click()
    await open(page, `/users/${id}`)
    await page.getByLabel('角色', { exact: true }).fill('editor, 店长')
    await button(page, '保存: 角色').click()
    await page.locator('#roles-error').waitFor()
    expect(await page.getByLabel('角色', { exact: true }).inputValue()).toBe('editor, 店长')
    await page.getByLabel('角色', { exact: true }).fill('editor，vip')
    await button(page, '保存: 角色').click()
    await says(page, '角色已保存')
    await page.getByLabel('外部 ID', { exact: true }).fill('crm-1')
    await button(page, '保存: 外部 ID').click()
    await page.locator('#external-id-error', { hasText: 'another user' }).waitFor()
    for (const [typed, error] of [
      ['{"tier": 1', '不是有效的 JSON 对象'],
      ['{"sub": 1}', 'registered claim'],
    ] as const) {
      await page.getByLabel('自定义声明', { exact: true }).fill(typed)
      await button(page, '保存: 自定义声明').click()
      await page.locator('#claims-error', { hasText: error }).waitFor()
      expect(await page.getByLabel('自定义声明', { exact: true }).inputValue()).toBe(typed)
    }
    await page.getByLabel('自定义声明', { exact: true }).fill('{"tier": 1}')
    await button(page, '保存: 自定义声明').click()
    await says(page, '声明已保存')
    expect(await read(id)).toMatchObject({ roles: ['editor', 'vip'], claims: { tier: 1 }, external_id: null })
  })

  test('is erased after the end of the id and the token were typed, and not before', async () => {
    const { id } = await user()
    const page = await visit()
    await open(page, `/users/${id}`)
    await page.getByRole('link', { name: '注销…' }).click()
    await page.getByLabel('输入用户 ID 的最后 8 位').fill('00000000')
    await page.getByLabel('再次输入你的运维令牌').fill(DEPUTY)
    await button(page, '注销该用户').click()
    await page.locator('#confirm-error').waitFor()
    await page.locator('#operator_token-error', { hasText: '不是你登录时使用的令牌' }).waitFor()
    expect(await read(id)).toMatchObject({ status: 'active' })
    await page.getByLabel('输入用户 ID 的最后 8 位').fill(id.slice(-8))
    await page.getByLabel('再次输入你的运维令牌').fill(BOSS)
    await button(page, '注销该用户').click()
    await says(page, '用户已注销')
    expect(await read(id)).toMatchObject({ status: 'erased' })
    expect(await page.locator('main form').count()).toBe(0)
  })
})

describe('two operators at once', () => {
  test('the second to suspend is told who was first and why', async () => {
    const { id } = await user()
    const [first, second] = [await visit(BOSS), await visit(DEPUTY)]
    for (const page of [first, second]) await open(page, `/users/${id}`)
    for (const [page, reason] of [
      [first, '第一个原因'],
      [second, '第二个原因'],
    ] as const) {
      await page.getByLabel('原因').fill(reason)
      await button(page, '停用').click()
    }
    await says(second, '早已停用')
    await says(second, '第一个原因')
    await says(second, 'operator:boss')
  })

  test('roles that were changed meanwhile are shown, not overwritten, and may be saved on purpose', async () => {
    const { id } = await user()
    const [first, second] = [await visit(BOSS), await visit(DEPUTY)]
    for (const page of [first, second]) await open(page, `/users/${id}`)
    const roles = (page: Page) => page.getByLabel('角色', { exact: true })
    await roles(first).fill('editor')
    await button(first, '保存: 角色').click()
    await says(first, '角色已保存')
    await roles(second).fill('vip')
    await button(second, '保存: 角色').click()
    await second.locator('#roles-error', { hasText: '有人在你打开页面之后改过' }).waitFor()
    await second.locator('#roles-hint', { hasText: '当前值：editor' }).waitFor()
    expect(await roles(second).inputValue()).toBe('vip')
    expect(await read(id)).toMatchObject({ roles: ['editor'] })
    await button(second, '保存: 角色').click()
    await says(second, '角色已保存')
    expect(await read(id)).toMatchObject({ roles: ['vip'] })
  })
})

describe('the other pages', () => {
  test('the audit trail is filtered by who did what, to whom and when, a page at a time', async () => {
    const { id } = await user()
    for (let each = 0; each < 52; each += 1)
      await site.gateway.internal('PUT', `/admin/users/${id}/roles`, { token: DEPUTY, body: { roles: [`r${each}`] } })
    const page = await visit()
    await page.getByRole('link', { name: '审计' }).click()
    await page.getByLabel('操作人').fill('deputy')
    await page.getByLabel('用户 ID').fill(id)
    await page.getByLabel('事件').selectOption('roles_changed')
    await button(page, '筛选').click()
    expect(await page.locator('tbody tr').count()).toBe(50)
    expect(await page.locator('tbody').textContent()).toContain('operator:deputy')
    await page.getByRole('link', { name: '下一页' }).click()
    expect(await page.locator('tbody tr').count()).toBe(2)
    await page.getByRole('link', { name: '回到第一页' }).click()
    await page.getByLabel('到 (北京时间)').fill('2001-01-01T00:00:00')
    await button(page, '筛选').click()
    await page.getByText('没有符合条件的记录').waitFor()
    await page.getByLabel('IP 地址').fill('nowhere')
    await button(page, '筛选').click()
    await page.locator('#ip-error').waitFor()
    expect(await page.getByLabel('操作人').inputValue()).toBe('deputy')
  })

  test('a key is rotated and another retired, with the warnings of each', async () => {
    const page = await visit()
    await page.getByRole('link', { name: '密钥' }).click()
    await page.getByText('轮换密钥…').click()
    await page.getByLabel('多少秒后签名').fill('soon')
    await button(page, '轮换').click()
    await page.locator('#after-error').waitFor()
    await page.getByLabel('多少秒后签名').fill('600')
    await button(page, '轮换').click()
    await says(page, '新密钥已发布')
    expect(await page.locator('.say li').count()).toBeGreaterThan(0)
    const row = page.locator('tbody tr', { hasText: '已发布，未签名' })
    const kid = (await row.locator('.mono').first().textContent()) ?? ''
    await row.getByRole('link').click()
    await page.getByLabel('输入 kid 的前 8 位').fill(kid.slice(0, 8))
    await page.getByLabel('再次输入你的运维令牌').fill(BOSS)
    await button(page, '停用这个密钥').click()
    await says(page, '密钥已停用')
    expect(await page.locator('tbody tr').count()).toBe(1)
  })

  test('health shows stores, clocks and platforms', async () => {
    const page = await visit()
    await page.getByRole('link', { name: '健康' }).click()
    const text = (await page.locator('main').textContent()) ?? ''
    for (const word of ['PostgreSQL', 'Redis', 'wechat', '数据库']) expect(text).toContain(word)
  })

  test('a page that is not there says so, and leads back', async () => {
    const page = await visit()
    for (const path of ['/nowhere', '/users/no-such-user', '/users/00000000-0000-7000-8000-000000000000']) {
      const reply = await open(page, path)
      expect([path, reply?.status()]).toEqual([path, 404])
      await page.getByRole('heading', { name: '没有这个页面' }).waitFor()
    }
  })
})
