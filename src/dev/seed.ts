/** What `--seed` begins with: a few users with sessions on several devices, one of them suspended, made through the API as anybody would. */

type App = { request(path: string, init: RequestInit): Response | Promise<Response> }

export type SeedParts = {
  publicApp: App
  internalApp: App
  adminToken: string
  /** The people of the simulated WeChat log in with codes of this form. */
  code(person: string, serial: number): string
}

/** What is read of the replies. */
type Data = { token?: string; user_id?: string; items?: unknown[] }

type Person = { name: string; nickname: string; devices: string[]; suspended?: true; profile?: Record<string, string> }

const people: readonly Person[] = [
  {
    name: 'alice',
    nickname: '小林',
    devices: ['iPhone 17', 'HUAWEI Mate 80', 'iPad mini'],
    profile: { address: '杭州市西湖区', birthday: '1996-04-12', sex: 'female' },
  },
  { name: 'bob', nickname: '小周', devices: ['Xiaomi 17', 'Windows'], profile: { email: 'bob@example.com' } },
  { name: 'carol', nickname: '小陈', devices: ['OPPO Find X9'] },
  { name: 'dave', nickname: '老吴', devices: ['vivo X300'], suspended: true },
]

/** Says what there is now; does nothing where there are users already. */
export async function seed({ publicApp, internalApp, adminToken, code }: SeedParts): Promise<string> {
  async function ask(app: App, method: string, path: string, token?: string, body?: unknown) {
    const reply = await app.request(path, {
      method,
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const answer = (await reply.json()) as { code: string; data: Data }
    if (!reply.ok) throw new Error(`--seed: ${method} ${path} answers ${answer.code}`)
    return answer.data
  }
  const asOperator = (method: string, path: string, body?: unknown) => ask(internalApp, method, path, adminToken, body)

  const { items = [] } = await asOperator('GET', '/admin/users?limit=1')
  if (items.length > 0) return 'there are users already, so --seed adds none'
  let sessions = 0
  for (const { name, nickname, devices, suspended, profile } of people) {
    let token = ''
    let id = ''
    for (const device of devices) {
      sessions += 1
      const login = await ask(publicApp, 'POST', '/api/login', undefined, { code: code(name, sessions), device })
      token = login.token ?? ''
      id = login.user_id ?? ''
    }
    await ask(publicApp, 'PATCH', '/api/user', token, { nickname, ...profile })
    if (suspended) await asOperator('POST', `/admin/users/${id}/suspend`, { reason: 'seeded as an example' })
  }
  return `${people.length} users with ${sessions} sessions; ${people.find(({ suspended }) => suspended)?.name} is suspended`
}
