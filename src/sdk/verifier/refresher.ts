/** Keeps one remote document warm: one fetch at a time, again when it is due, soon after a failure. */

export type Refresher = {
  /** Starts a fetch, or joins the one under way. Never rejects: a failure is reported and retried. */
  refresh(): Promise<void>
  /**
   * For a request that cannot be answered without the document: joins the fetch for at most `waitMs`. After a failure
   * it returns at once: the retries belong to the background, and an outage must not slow every request down.
   */
  settle(waitMs: number): Promise<void>
  /** Whether the last fetch failed. */
  failing(): boolean
  /** Why it did. */
  lastError(): unknown
  stop(): void
}

export type RefresherOptions = {
  /** Does the work and says in how many seconds it is due again, or `undefined` when never. */
  load(): Promise<number | undefined>
  onFailure(error: unknown): void
}

const MAX_RETRY_SECONDS = 30

export function createRefresher({ load, onFailure }: RefresherOptions): Refresher {
  let underWay: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let failures = 0
  let lastError: unknown
  let stopped = false

  async function attempt(): Promise<void> {
    clearTimeout(timer)
    let dueInSeconds: number | undefined
    try {
      dueInSeconds = await load()
      failures = 0
      lastError = undefined
    } catch (error) {
      if (stopped) return
      dueInSeconds = Math.min(MAX_RETRY_SECONDS, 2 ** failures)
      failures += 1
      lastError = error
      onFailure(error)
    }
    if (stopped || dueInSeconds === undefined) return
    timer = setTimeout(refresh, dueInSeconds * 1000)
    timer.unref() // A service with nothing else to do may exit.
  }

  function refresh(): Promise<void> {
    if (stopped) return Promise.resolve()
    underWay ??= attempt().finally(() => {
      underWay = undefined
    })
    return underWay
  }

  return {
    refresh,
    settle: (waitMs) => (failures > 0 ? Promise.resolve() : within(refresh(), waitMs)),
    failing: () => failures > 0,
    lastError: () => lastError,
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

async function within(work: Promise<void>, waitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, waitMs)
  })
  await Promise.race([work, limit])
  clearTimeout(timer)
}
