/** Time as an argument: everything that asks "what time is it" is handed a Clock, so that tests can move it. */

export type Clock = { now(): Date }

export const systemClock: Clock = { now: () => new Date() }

export type TestClock = Clock & { advance(seconds: number): void; set(at: Date): void }

/** A clock that stands still until it is moved. */
export function testClock(start = new Date('2026-01-01T00:00:00Z')): TestClock {
  let at = start.getTime()
  return {
    now: () => new Date(at),
    advance: (seconds) => {
      at += seconds * 1000
    },
    set: (date) => {
      at = date.getTime()
    },
  }
}
