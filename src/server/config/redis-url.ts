/** The forms of REDIS_URL: one server, a master named by Sentinels, or a Cluster; each with and without TLS. */

export type RedisHost = { host: string; port: number }

export type RedisLogin = { username?: string; password?: string }

export type RedisTarget =
  | { kind: 'server'; url: string }
  | {
      kind: 'sentinel'
      tls: boolean
      hosts: RedisHost[]
      login: RedisLogin
      masterName: string
      db: number
      sentinelLogin: RedisLogin
    }
  | { kind: 'cluster'; tls: boolean; hosts: RedisHost[]; login: RedisLogin }

export const redisUrlForms =
  'must be redis://host:port, redis+sentinel://[user:password@]host:port,host:port/master-name[?db=0&sentinelPassword=…] or ' +
  'redis+cluster://[user:password@]host:port,host:port, or one of them with rediss for TLS'

const DEFAULT_PORT = { sentinel: 26_379, cluster: 6379 }
const sentinelParameters = ['db', 'sentinelUsername', 'sentinelPassword']

/** Undefined when the text has none of the forms; it is a secret, so nothing is said of what is wrong with it. */
export function parseRedisUrl(text: string): RedisTarget | undefined {
  if (/^rediss?:\/\//.test(text)) return URL.canParse(text) ? { kind: 'server', url: text } : undefined
  // A list of hosts is no URL (RFC 3986 section 3.2 knows one), so it is taken apart by hand.
  const form = /^redis(s?)\+(sentinel|cluster):\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(text)
  if (!form) return undefined
  const [, s, kind, loginText, hostsText = '', path = '', query = ''] = form
  const hosts = hostsText.split(',').map((host) => hostOf(host, kind === 'sentinel'))
  const login = loginText === undefined ? {} : loginOf(loginText)
  if (!login || !hosts.every((host) => host !== undefined)) return undefined
  const tls = s === 's'
  if (kind === 'cluster') return path === '' && query === '' ? { kind, tls, hosts, login } : undefined

  const parameters = new URLSearchParams(query)
  const masterName = decoded(path)
  const db = parameters.get('db') ?? '0'
  const known = [...parameters.keys()].every((name) => sentinelParameters.includes(name))
  if (!masterName || !/^\d{1,4}$/.test(db) || !known) return undefined
  const sentinelLogin = loginFrom(parameters.get('sentinelUsername'), parameters.get('sentinelPassword'))
  return { kind: 'sentinel', tls, hosts, login, masterName, db: Number(db), sentinelLogin }
}

function hostOf(text: string, sentinel: boolean): RedisHost | undefined {
  const [, bracketed, plain, portText] = /^(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = portText === undefined ? DEFAULT_PORT[sentinel ? 'sentinel' : 'cluster'] : Number(portText)
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port }
}

/** `user:password`, `:password`; a part with reserved characters is percent-encoded. */
function loginOf(text: string): RedisLogin | undefined {
  const at = text.indexOf(':')
  const username = decoded(at < 0 ? text : text.slice(0, at))
  const password = at < 0 ? '' : decoded(text.slice(at + 1))
  return username === undefined || password === undefined ? undefined : loginFrom(username, password)
}

const loginFrom = (username: string | null, password: string | null): RedisLogin => ({
  ...(username ? { username } : {}),
  ...(password ? { password } : {}),
})

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
