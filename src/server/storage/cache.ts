/** What the gateway asks of a shared cache: small values with a lifetime, and the atomic steps that single use needs. */
import { GatewayError } from '../errors.ts'

export type Cache = {
  get(key: string): Promise<string | undefined>
  set(key: string, value: string, ttlMs: number): Promise<unknown>
  /** Sets the value unless the key is there; tells whether it did. */
  setIfAbsent(key: string, value: string, ttlMs: number): Promise<boolean>
  /** Sets the value only if the key still holds `expected`; tells whether it did. */
  replace(key: string, expected: string, value: string, ttlMs: number): Promise<boolean>
  /** Sets the number unless a higher one is there, in one step; answers the higher of the two. It lives for `ttlMs` from now on. */
  raise(key: string, value: number, ttlMs: number): Promise<number>
  delete(key: string): Promise<void>
  /** Deletes the key only if it still holds `expected`; tells whether it did. */
  deleteIf(key: string, expected: string): Promise<boolean>
  /** Appends to a stream that forgets entries older than `keepMs`, and the oldest beyond about `maxEntries`. */
  append(stream: string, entry: Record<string, string>, keepMs: number, maxEntries?: number): Promise<void>
  /**
   * A counter of its own name, shared by all replicas. To be made at start: the library defines a command on the connection, and
   * ioredis loses count of the commands that wait at that moment.
   */
  limiter(options: LimiterOptions): Limiter
  /** Whether the cache answered last time it was asked. */
  available(): boolean
  close(): Promise<void>
}

export type LimiterOptions = { name: string; points: number; seconds: number }

export type Consumed = { allowed: boolean; remaining: number; resetMs: number }

/** Consumes one point of the key: the command leaves in this very tick. */
export type Limiter = { consume(key: string): Promise<Consumed> }

/** The cache did not answer: down, unreachable or too slow. */
export class CacheUnavailable extends GatewayError {
  constructor(cause: unknown) {
    super('B0320', { cause, note: 'the cache is unavailable', retryAfterSeconds: 2 })
    this.name = 'CacheUnavailable'
  }
}
