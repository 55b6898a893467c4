/** Servers for the tests of the mini-program SDK: a small one that keeps the contract's promises on login and refresh. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Seen = {
  method: string
  path: string
  headers: IncomingMessage['headers']
  body: Buffer
  json: Record<string, unknown>
}
type Reply = { status: number; code?: string; data?: unknown; headers?: Record<string, string> }

/** A server on a port of its own, kept in `servers` so that a test can close it. */
export async function listen(
  servers: Server[],
  handle: (seen: Seen, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const isJson = request.headers['content-type'] === 'application/json' && body.length > 0
    const json = isJson ? JSON.parse(body.toString()) : {}
    handle({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body, json }, response)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function answer(response: ServerResponse, { status, code = '00000', data = null, headers = {} }: Reply): void {
  const body = { code, msg: code === '00000' ? 'ok' : '失败', data, ...(status < 300 ? {} : { request_id: 'req-1' }) }
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** Contract sections 3 to 5, as far as the SDK can see them: single-use codes, and refresh tokens of a session and a counter. */
export async function startGateway(servers: Server[]) {
  const seen: Seen[] = []
  const sessions = new Map<string, { counter: number; ended: boolean }>()
  const live = new Set<string>()
  const replies = new Map<string, unknown>()
  const overrides: { path: string; reply: Reply }[] = []
  let minted = 0
  const state = { expiresIn: 900 }

  function issue(sid: string) {
    const token = `access-${sid}-${++minted}`
    live.add(token)
    return {
      token,
      token_type: 'Bearer',
      expires_in: state.expiresIn,
      refresh_token: `${sid}.${sessions.get(sid)?.counter}`,
      refresh_expires_in: 2_592_000,
      user_id: 'u-1',
      nickname: null,
      is_new_user: sessions.size === 1,
    }
  }

  function login(code: string): Reply {
    if (!replies.has(code)) {
      const sid = `s${sessions.size + 1}`
      sessions.set(sid, { counter: 0, ended: false })
      replies.set(code, issue(sid))
    }
    return { status: 200, data: replies.get(code) }
  }

  function refresh(token: string): Reply {
    const [sid = '', counter] = token.split('.')
    const session = sessions.get(sid)
    if (!session || session.ended) return { status: 401, code: 'A0230' }
    const behind = session.counter - Number(counter)
    if (behind > 1) {
      session.ended = true
      return { status: 401, code: 'A0220' }
    }
    if (behind === 0) session.counter++
    return { status: 200, data: issue(sid) }
  }

  function route(request: Seen): Reply {
    const override = overrides.findIndex(({ path }) => path === request.path)
    if (override >= 0) return overrides.splice(override, 1)[0]?.reply ?? { status: 500 }
    if (request.path === '/api/login') return login(String(request.json.code ?? request.json.ticket))
    if (request.path === '/api/refresh') return refresh(String(request.json.refresh_token))
    if (request.path === '/api/logout') {
      const session = sessions.get(String(request.json.refresh_token).split('.')[0] ?? '')
      if (session) session.ended = true
      return { status: 200 }
    }
    const token = request.headers.authorization?.replace('Bearer ', '') ?? ''
    if (!live.has(token)) {
      return { status: 401, code: 'A0230', headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' } }
    }
    return { status: 200, data: { path: request.path, token } }
  }

  const url = await listen(servers, (request, response) => {
    seen.push(request)
    answer(response, route(request))
  })
  return {
    url,
    seen,
    state,
    to: (path: string) => seen.filter((request) => request.path === path),
    expireAccessTokens: () => live.clear(),
    endSessions: () => {
      live.clear()
      for (const session of sessions.values()) session.ended = true
    },
    /** The next request to this path gets this reply, once for each call. */
    answerNext: (path: string, reply: Reply) => overrides.push({ path, reply }),
  }
}
