/** Operators on users from the command line: search, show, suspend, reinstate, end sessions, give roles, erase. */
import { type Command, type Input, type Outcome, onlyPositional, table, UsageError } from './command.ts'
import { type ApiReply, withOperatorsApi } from './operators-api.ts'

const text = (help: string) => ({ type: 'string', help }) as const

/** Options as the parameters of a query; `external-id` is `external_id` there. */
export function queryOf({ values }: Input, names: readonly string[]): URLSearchParams {
  const query = new URLSearchParams()
  for (const name of names) {
    const value = values[name]
    if (typeof value === 'string') query.set(name.replaceAll('-', '_'), value)
  }
  return query
}

/** What the API refuses, with the fields it names. */
export function refused({ code, msg, fields }: ApiReply): Outcome {
  const named = Object.entries(fields ?? {}).map(([name, reason]) => `  ${name}: ${reason}`)
  const problem = [
    code === 'A0404' ? 'there is no such user, or it was erased, or it has no such session' : msg,
    ...named,
  ]
  return { ok: false, json: { problem: msg, code, ...(fields ? { fields } : {}) }, text: problem.join('\n') }
}

export const outcome = (reply: ApiReply, said: (data: ApiReply['data']) => string): Outcome =>
  reply.code === '00000' ? { ok: true, json: reply.data, text: said(reply.data) } : refused(reply)

const searchOptions = {
  id: text('user id'),
  status: text('active, suspended or erased'),
  openid: text('openid on any platform'),
  unionid: text('unionid'),
  'external-id': text('the id by which another system knows the user'),
  phone: text('E.164, as +8613800000000'),
  nickname: text('the beginning of the nickname'),
  ip: text('an address from which they did something that was audited'),
  limit: text('lines, at most 200; 50 if left out'),
  cursor: text('for the next page: what the last one printed'),
}

export const usersSearch: Command = {
  name: 'users search',
  usage: '[--nickname TEXT] [--status STATUS] …',
  summary: 'Search users; filters narrow each other, the newest come first.',
  details: 'auth-gateway users search --status suspended\nauth-gateway users search --phone +8613800000000 --json',
  options: searchOptions,
  run: (input) =>
    withOperatorsApi(async (ask) =>
      outcome(await ask('GET', `/admin/users?${queryOf(input, Object.keys(searchOptions))}`), (data) => {
        const rows = data.items.map((user: Record<string, string | null>) => [
          user.user_id ?? '',
          user.status ?? '',
          user.nickname ?? '',
          user.phone ?? '',
          user.external_id ?? '',
          user.last_login_at ?? '',
        ])
        if (rows.length === 0) return 'No user fits.'
        const more = data.next_cursor ? [`\nThe next page: --cursor ${data.next_cursor}`] : []
        return [table([['USER', 'STATUS', 'NICKNAME', 'PHONE', 'EXTERNAL ID', 'LAST LOGIN'], ...rows]), ...more].join(
          '\n',
        )
      }),
    ),
}

/** A UUID alone: what is put into a path stays one segment of it. */
function userIn(input: Input): string {
  const id = onlyPositional(input, 'USER')
  if (!/^[\da-f-]{36}$/i.test(id)) throw new UsageError('USER is a user id, as users search prints it')
  return id
}

const aboutUser = (name: string, summary: string, details: string): Omit<Command, 'run'> => ({
  name,
  usage: 'USER',
  summary,
  details,
  options: {},
})

export const usersShow: Command = {
  ...aboutUser('users show', 'One user: profile, platform identities, live sessions, and why suspended.', ''),
  run: (input) =>
    withOperatorsApi(async (ask) =>
      outcome(await ask('GET', `/admin/users/${userIn(input)}`), (data) => JSON.stringify(data, undefined, 2)),
    ),
}

const reasonOption = { reason: text('why: kept in the audit trail; nothing personal') }
const reasonOf = ({ values }: Input) => (typeof values.reason === 'string' ? { reason: values.reason } : {})

export const usersSuspend: Command = {
  ...aboutUser('users suspend', 'End every session of a user, and refuse login until reinstated.', ''),
  usage: 'USER --reason TEXT',
  details: 'auth-gateway users suspend USER --reason "fake orders, ticket 4711"',
  options: reasonOption,
  async run(input) {
    const id = userIn(input)
    if (!input.values.reason) throw new UsageError('--reason is needed: why the user is suspended')
    return await withOperatorsApi(async (ask) =>
      outcome(await ask('POST', `/admin/users/${id}/suspend`, reasonOf(input)), (data) =>
        data.changed
          ? `${id} is suspended.`
          : `Nothing was changed: ${id} was suspended before, at ${data.suspended_at} by ${data.suspended_by}: ${data.suspend_reason ?? 'no reason given'}`,
      ),
    )
  },
}

export const usersReinstate: Command = {
  ...aboutUser('users reinstate', 'Let a suspended user log in again.', 'Sessions that ended stay ended.'),
  usage: 'USER [--reason TEXT]',
  options: reasonOption,
  run: (input) =>
    withOperatorsApi(async (ask) =>
      outcome(await ask('POST', `/admin/users/${userIn(input)}/reinstate`, reasonOf(input)), (data) =>
        data.changed ? `${data.user_id} may log in again.` : `Nothing was changed: ${data.user_id} is not suspended.`,
      ),
    ),
}

export const usersEnd: Command = {
  ...aboutUser('users end', 'End every session of a user, or one.', 'auth-gateway users end USER --session SID'),
  usage: 'USER [--session SID]',
  options: { session: text('this session alone') },
  async run(input) {
    const id = userIn(input)
    const { session } = input.values
    if (typeof session === 'string' && !/^[\da-f-]{36}$/i.test(session))
      throw new UsageError('--session takes a session id, as users show prints it')
    const path = `/admin/users/${id}/sessions${session === undefined ? '' : `/${session}`}`
    return await withOperatorsApi(async (ask) =>
      outcome(await ask('DELETE', path), (data) => `${data.ended} session(s) of ${id} ended.`),
    )
  },
}

export const usersRoles: Command = {
  ...aboutUser('users roles', 'Replace the roles of a user; none: take them all away.', ''),
  usage: 'USER [--roles ROLE,ROLE]',
  details: 'auth-gateway users roles USER --roles editor,vip',
  options: { roles: text('separated by commas') },
  async run(input) {
    const id = userIn(input)
    const roles = String(input.values.roles ?? '')
      .split(',')
      .filter(Boolean)
    return await withOperatorsApi(async (ask) =>
      outcome(
        await ask('PUT', `/admin/users/${id}/roles`, { roles }),
        (data) => `${id}: ${data.roles.join(', ') || 'no role'}`,
      ),
    )
  },
}

export const usersErase: Command = {
  ...aboutUser('users erase', 'Erase a user: everything personal goes, every session ends. Cannot be undone.', ''),
  usage: 'USER --confirm END',
  details: 'END is the last 8 characters of the user id, as a confirmation.',
  options: { confirm: text('the last 8 characters of the user id') },
  async run(input) {
    const id = userIn(input)
    if (input.values.confirm !== id.slice(-8))
      throw new UsageError('--confirm takes the last 8 characters of the user id')
    return await withOperatorsApi(async (ask) =>
      outcome(
        await ask('DELETE', `/admin/users/${id}`),
        (data) => `${id} is erased; ${data.sessions_ended} session(s) ended.`,
      ),
    )
  },
}
