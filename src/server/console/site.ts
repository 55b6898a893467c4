/** The pages of the console and what can be done on them: each act belongs to the page that shows its form. */
import { auditView } from './audit-page.ts'
import { deliveriesView, replay, retry } from './deliveries-page.ts'
import { healthView } from './health-page.ts'
import { keysView, retire, retireView, rotate } from './keys-page.ts'
import {
  type Act,
  endSession,
  endSessions,
  erase,
  eraseView,
  reinstate,
  saveClaims,
  saveExternalId,
  saveRoles,
  suspend,
} from './user-acts.ts'
import { userView } from './user-page.ts'
import { usersView } from './users-page.ts'
import type { View } from './visit.ts'

type Place = {
  /** Below /console. */
  path: string
  view: View
  /** Only for those who may act. */
  forActing?: true
  /** By what follows the path. */
  acts?: Readonly<Record<string, Act>>
}

const places: readonly Place[] = [
  { path: '', view: usersView },
  {
    path: '/users/:id',
    view: userView,
    acts: {
      '/suspend': suspend,
      '/reinstate': reinstate,
      '/roles': saveRoles,
      '/claims': saveClaims,
      '/external-id': saveExternalId,
      '/sessions/end': endSessions,
      '/sessions/:sid/end': endSession,
    },
  },
  { path: '/users/:id/erase', view: eraseView, forActing: true, acts: { '': erase } },
  { path: '/audit', view: auditView },
  { path: '/keys', view: keysView, acts: { '/rotate': rotate } },
  { path: '/keys/:kid/retire', view: retireView, forActing: true, acts: { '': retire } },
  { path: '/deliveries', view: deliveriesView, acts: { '/retry': retry, '/replay': replay } },
  { path: '/health', view: healthView },
]

export type Found = {
  view: View
  act?: Act
  forActing: boolean
  params: Record<string, string>
  /** Where the page is that the act belongs to, below /console. */
  back: string
}

/** What a path below /console leads to. */
export function find(method: string, path: string): Found | undefined {
  for (const place of places) {
    const { view, forActing = false } = place
    if (method === 'GET') {
      const params = matches(place.path, path)
      if (params) return { view, forActing, params, back: path }
      continue
    }
    for (const [rest, act] of Object.entries(place.acts ?? {})) {
      const params = matches(place.path + rest, path)
      if (!params) continue
      const back = place.path.replaceAll(/:(\w+)/g, (_, name: string) => params[name] ?? '')
      return { view, act, forActing: true, params, back }
    }
  }
  return undefined
}

/** A parameter is an id: what it is put into stays one segment of a path. */
function matches(pattern: string, path: string): Record<string, string> | undefined {
  const source = pattern.replaceAll(/:(\w+)/g, '(?<$1>[\\w-]{1,128})')
  const found = new RegExp(`^${source}$`).exec(path)
  return found ? { ...found.groups } : undefined
}
