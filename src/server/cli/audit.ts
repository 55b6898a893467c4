/** The audit trail from the command line, by every filter that it has. */
import { type Command, table } from './command.ts'
import { withOperatorsApi } from './operators-api.ts'
import { outcome, queryOf } from './users.ts'

const text = (help: string) => ({ type: 'string', help }) as const

const options = {
  'user-id': text('about this user'),
  'session-id': text('about this session'),
  kind: text('as user_suspended'),
  actor: text('who did it, as operator:alice'),
  ip: text('from this address'),
  from: text('ISO 8601, included, as 2026-01-31T00:00:00Z'),
  to: text('ISO 8601, not included'),
  limit: text('lines, at most 200; 50 if left out'),
  cursor: text('for the next page: what the last one printed'),
}

export const auditList: Command = {
  name: 'audit list',
  usage: '[--user-id USER] [--actor ACTOR] [--kind KIND] …',
  summary: 'The audit trail; filters narrow each other, the newest come first.',
  details:
    'auth-gateway audit list --actor operator:alice --kind user_suspended\nauth-gateway audit list --user-id USER --json',
  options,
  run: (input) =>
    withOperatorsApi(async (ask) =>
      outcome(await ask('GET', `/admin/audit?${queryOf(input, Object.keys(options))}`), (data) => {
        const rows = data.items.map((event: Record<string, unknown>) => [
          String(event.at),
          String(event.kind),
          String(event.actor ?? ''),
          String(event.ip ?? ''),
          String(event.user_id ?? ''),
          event.detail ? JSON.stringify(event.detail) : '',
        ])
        if (rows.length === 0) return 'No event fits.'
        const more = data.next_cursor ? [`\nThe next page: --cursor ${data.next_cursor}`] : []
        return [table([['TIME', 'KIND', 'ACTOR', 'ADDRESS', 'USER', 'DETAIL'], ...rows]), ...more].join('\n')
      }),
    ),
}
