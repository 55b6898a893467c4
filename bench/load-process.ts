/**
 * One load generator: keep-alive connections on bare sockets, each with one request under way, so that it costs a fraction
 * of what it measures. Requests before `begin` warm the server up and are not counted, and it says `warm` when every connection
 * has had an answer: Node accepts one connection a turn of its loop, so the first answers after 256 connects take seconds.
 */

import { connect, type Socket } from 'node:net'

export type Job = {
  /** The replicas; connections are dealt out over them. */
  ports: readonly number[]
  path: string
  connections: number
  /** `login`: a fresh code each; `refresh`: the refresh tokens in turn, each replaced by its successor; `get`: always the same. */
  kind: 'login' | 'refresh' | 'get'
  /** Makes the codes of this process and run unlike all others. */
  run: string
  /** How many people log in; 0: everybody is new. */
  users: number
  /** Everybody of these once, and then the job is done, without `begin` or `end`. */
  inTurn?: { first: number; step: number }
  /** At least one for each connection, when refreshing. */
  refreshTokens: string[]
}

export type Order = { job: Job } | { begin: true } | { end: true }

export type Report = { warm: true } | { outcome: Outcome }

/** Latencies in milliseconds of the requests answered between `begin` and `end`. */
export type Outcome = { latencies: Float32Array; refused: number; broken: number; firstRefusal?: string }

/** A slow server may finish what it was asked, so that it does not work on it during somebody else's run. */
const LAST_ANSWERS_MS = 30_000

let counting = false
let running = false
let underWay = 0
let latencies: number[] = []
let refused = 0
let broken = 0
let firstRefusal: string | undefined
let sent = 0
let sentInJob = 0
let warmed = 0
let refreshTokens = createQueue<string>([])

const report = (message: Report) => process.send?.(message)

process.on('message', (order: Order) => {
  if ('job' in order) {
    running = true
    sentInJob = 0
    warmed = 0
    refused = 0
    broken = 0
    refreshTokens = createQueue(order.job.refreshTokens)
    for (let index = 0; index < order.job.connections; index += 1) {
      open(order.job, order.job.ports[index % order.job.ports.length] ?? 0)
    }
  } else if ('begin' in order) {
    latencies = []
    refused = 0
    broken = 0
    firstRefusal = undefined
    counting = true
  } else {
    end()
  }
})

function end() {
  counting = false
  running = false
  finish(performance.now() + LAST_ANSWERS_MS)
}

function finish(deadline: number) {
  if (underWay > 0 && performance.now() < deadline) {
    setTimeout(finish, 10, deadline)
    return
  }
  const outcome: Outcome = { latencies: Float32Array.from(latencies), refused, broken: broken + underWay }
  report({ outcome: firstRefusal === undefined ? outcome : { ...outcome, firstRefusal } })
  underWay = 0
}

function open(job: Job, port: number, isFirst = true) {
  let token: string | undefined
  let answered = !isFirst
  let received = ''
  let startedAt = 0
  let waiting = false
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true }, next)
  socket.setEncoding('latin1')

  function next() {
    if (running && job.inTurn && job.inTurn.first + sentInJob * job.inTurn.step >= job.users) end()
    if (!running) {
      socket.destroy()
      return
    }
    waiting = true
    underWay += 1
    if (job.kind === 'refresh') token = refreshTokens.take()
    startedAt = performance.now()
    socket.write(requestText(job, token))
  }

  socket.on('data', (chunk: string) => {
    received = received === '' ? chunk : received + chunk
    if (!isComplete(received)) return
    const answer = received
    received = ''
    waiting = false
    underWay -= 1
    if (token !== undefined) refreshTokens.put(/"refresh_token":"([^"]+)"/.exec(answer)?.[1] ?? token)
    if (!answered) {
      answered = true
      warmed += 1
      if (warmed === job.connections) report({ warm: true })
    }
    if (counting) {
      latencies.push(performance.now() - startedAt)
    }
    if (!answer.startsWith('HTTP/1.1 200')) {
      refused += 1
      firstRefusal ??= answer.slice(0, 1000)
    }
    // Some servers keep no connection.
    if (/^connection: close/im.test(answer.slice(0, answer.indexOf('\r\n\r\n')))) socket.end()
    else next()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    if (waiting) {
      underWay -= 1
      broken += 1
      if (token !== undefined) refreshTokens.put(token)
    }
    if (running) setTimeout(open, waiting ? 50 : 0, job, port, !answered)
  })
}

function requestText(job: Job, token: string | undefined): string {
  if (job.kind === 'get') return `GET ${job.path} HTTP/1.1\r\nHost: bench\r\n\r\n`
  const body = job.kind === 'login' ? `{"code":"${freshCode(job)}"}` : `{"refresh_token":"${token}"}`
  return `POST ${job.path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

/** As of wx.login: never used before. `u<number>` tells the fake WeChat whose it is. */
function freshCode(job: Job): string {
  const nth = sentInJob
  sent += 1
  sentInJob += 1
  return `u${userOf(job, nth)}-${job.run}-${sent}`
}

function userOf(job: Job, nth: number): number | string {
  if (job.inTurn) return job.inTurn.first + nth * job.inTurn.step
  return job.users > 0 ? Math.floor(Math.random() * job.users) : `${job.run}${String(sent).padStart(9, '0')}`
}

/** First in, first out, without moving what is in it: of a hundred thousand sessions each has its turn. */
function createQueue<T>(items: readonly T[]) {
  const ring: (T | undefined)[] = [...items]
  let first = 0
  let next = 0
  return {
    take() {
      const item = ring[first]
      first = (first + 1) % ring.length
      return item
    },
    /** Only what was taken: the ring does not grow. */
    put(item: T) {
      ring[next] = item
      next = (next + 1) % ring.length
    },
  }
}

function isComplete(text: string): boolean {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return false
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)
  if (length && length.index < headEnd) return text.length >= headEnd + 4 + Number(length[1])
  return text.endsWith('\r\n0\r\n\r\n')
}
