/** The log of `npm run dev`: one readable line a request, and a stack for a defect alone. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]
type App<Env extends object> = { fetch: (request: Request, env: Env) => Response | Promise<Response> }

export type RequestLinesParts = {
  write(line: string): void
  /** Whether the reader shows colours. */
  colours: boolean
}

/** The members of a log line that are shown; the log's own words are in `msg`. */
type Line = {
  level: number
  time: string
  msg?: string
  method?: string
  route?: string
  status?: number
  durationMs?: number
  userId?: string
  errorCode?: string
  reason?: string
  error?: { type: string; message: string; stack?: string; cause?: unknown }
}

const WARN = 40
const ERROR = 50

export function createRequestLines({ write, colours }: RequestLinesParts) {
  const asked = new AsyncLocalStorage<{ path: string; port: string }>()
  const paint = (style: Style, text: string) => (colours ? styleText(style, text, { validateStream: false }) : text)

  function request({ time, method = '', route = '', status = 0, durationMs = 0, userId, errorCode, ...line }: Line) {
    const { path = route, port = '' } = asked.getStore() ?? {}
    const colour = status >= 500 ? 'red' : status >= 400 ? 'yellow' : 'green'
    const { level, reason = level >= WARN ? line.msg : undefined, error } = line
    const parts = [
      paint('dim', time.slice(11, 19)),
      paint('dim', port),
      paint('bold', method.padEnd(6)),
      path,
      paint(colour, String(status)),
      paint('dim', `${durationMs < 10 ? durationMs.toFixed(1) : Math.round(durationMs)} ms`),
      userId && paint('cyan', `user ${userId}`),
      errorCode && paint(colour, errorCode),
      reason && paint('dim', reason),
      // A store or a platform that is away is no defect: its name and its reason are enough.
      errorCode !== 'B0001' && error && paint('dim', `(${causes(error).join(': ')})`),
    ]
    return parts.filter(Boolean).join(' ')
  }

  function other({ time, level, msg = '', error }: Line) {
    const text = error ? `${msg}: ${causes(error).join(': ')}` : msg
    return `${paint('dim', time.slice(11, 19))} ${level >= ERROR ? paint('red', text) : level >= WARN ? paint('yellow', text) : text}`
  }

  return {
    /** Of pino: each of its lines comes in whole. */
    destination: {
      write(json: string) {
        const line = JSON.parse(json) as Line
        write(`${line.method === undefined ? other(line) : request(line)}\n`)
        const isDefect = line.errorCode === 'B0001' || (line.level >= ERROR && line.method === undefined)
        if (isDefect && line.error?.stack) write(`${paint('red', line.error.stack)}\n`)
      },
    },
    /** Around an application, so that its lines can say what was asked: the log itself has the pattern of the path alone. */
    around: <Env extends object>(port: number, app: App<Env>): App<Env> => ({
      fetch: (request, env) =>
        asked.run({ path: new URL(request.url).pathname, port: String(port) }, () => app.fetch(request, env)),
    }),
  }
}

function causes(error: NonNullable<Line['error']>): string[] {
  const { message, cause } = error
  return [message, ...(cause ? causes(cause as NonNullable<Line['error']>) : [])]
}
