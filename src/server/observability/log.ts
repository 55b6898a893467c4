/** JSON lines on standard output; an error is logged by the parts named here, so nothing rides along by accident. */
import pino, { type DestinationStream, type Logger } from 'pino'

export type Log = Logger

/** `destination` defaults to standard output, written in bulk; a fatal line and the end of the process flush it. */
export function createLog({ level, destination }: { level: string; destination?: DestinationStream }): Log {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { error: describeError } },
    destination ?? pino.destination({ dest: 1, sync: false, minLength: 4096, periodicFlush: 200 }),
  )
}

type DescribedError = { type: string; message: string; code?: string; stack?: string; cause?: DescribedError }

/** Name, message, code, stack and cause. Never the rest: drivers hang statements, parameters and URLs on their errors. */
export function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an Error' }
  const code = 'errcode' in error ? error.errcode : 'code' in error ? error.code : undefined
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === 'string' ? { code } : {}),
    ...(depth === 0 && error.stack !== undefined ? { stack: error.stack } : {}),
    ...(error.cause === undefined || depth > 3 ? {} : { cause: describeError(error.cause, depth + 1) }),
  }
}
