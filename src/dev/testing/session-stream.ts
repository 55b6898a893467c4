/** The stream of ended sessions, read as a consumer does. */
import type { Redis } from 'ioredis'
import { SESSION_EVENTS_STREAM } from '../../server/events/session-stream.ts'
import type { TestGateway } from './test-gateway.ts'

/** As a consumer reads it; the embedded cache has no readers but tests. */
export async function streamOf({ stores }: TestGateway): Promise<Record<string, string>[]> {
  if (stores.kind === 'real') {
    const { redis } = stores.cache as typeof stores.cache & { redis: Redis }
    const entries = await redis.xrange(SESSION_EVENTS_STREAM, '-', '+')
    return entries.map(([, fields]) =>
      Object.fromEntries(fields.flatMap((name, at) => (at % 2 === 0 ? [[name, fields[at + 1] ?? '']] : []))),
    )
  }
  const { dump } = stores.cache as typeof stores.cache & { dump(): string }
  const [, streams] = JSON.parse(dump()) as [unknown, [string, { entry: Record<string, string> }[]][]]
  return streams.flatMap(([name, entries]) => (name === SESSION_EVENTS_STREAM ? entries.map(({ entry }) => entry) : []))
}
