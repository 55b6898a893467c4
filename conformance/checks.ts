/** What a check says when it looks: each throws Unmet with what was expected and what was seen. */
import { isDeepStrictEqual } from 'node:util'
import { type Answer, shown } from './http.ts'
import { type RefusalName, refusalOf } from './profile.ts'
import { Unmet } from './requirement.ts'
import type { Service, Tokens } from './service.ts'
import { memberAt } from './template.ts'

export function expectThat(met: boolean, expected: string, seen: string): void {
  if (!met) throw new Unmet(expected, seen)
}

export function expectSame(what: string, seen: unknown, expected: unknown): void {
  expectThat(isDeepStrictEqual(seen, expected), `${what}: ${inspect(expected)}`, inspect(seen))
}

export function inspect(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  return text.replace(/[A-Za-z0-9_-]{40,}/g, '…').slice(0, 240)
}

/** The tokens of a login or refresh that has to succeed. */
export function expectSuccess(service: Service, answer: Answer, what: string): Tokens {
  const tokens = service.tokensIn(answer)
  expectThat(service.succeeded(answer) && tokens.access !== '', `${what} succeeds`, shown(answer))
  return tokens
}

/** Any other request that has to succeed. */
export function expectDone(service: Service, answer: Answer, what: string): void {
  expectThat(service.succeeded(answer), `${what} succeeds`, shown(answer))
}

/** Refused in one of these ways, and without a token in the answer. */
export function expectRefused(
  service: Service,
  answer: Answer,
  names: RefusalName | RefusalName[],
  what: string,
): void {
  const refusals = [names].flat().map((name) => refusalOf(service.profile, name))
  const code = memberAt(answer.json, service.profile.error.code)
  const fits = refusals.some(
    (refusal) =>
      refusal.status.includes(answer.status) &&
      (refusal.code === undefined || (refusal.code as readonly unknown[]).includes(code)),
  )
  const told = refusals.map(({ status, code: codes }) => `${status.join('/')}${codes ? ` ${codes.join('/')}` : ''}`)
  expectThat(fits, `${what} is refused: ${told.join(' or ')}`, shown(answer))
  expectNoTokens(service, answer, what)
}

export function expectNoTokens(service: Service, answer: Answer, what: string): void {
  const { access, refresh } = service.tokensIn(answer)
  expectThat(access === '' && refresh === undefined, `${what} gives no token`, shown(answer))
}

/** Refused as the caller's fault, whatever the status: never a success, never a defect of the service. */
export function expectClientError(service: Service, answer: Answer, what: string): void {
  expectThat(answer.status >= 400 && answer.status < 500, `${what} is refused with 4xx`, shown(answer))
  expectNoTokens(service, answer, what)
}

/** The same check until it holds or the time is up; the last failure is the one that is told. */
export async function eventually(seconds: number, check: () => Promise<void>, everyMs = 150): Promise<void> {
  const endsAt = performance.now() + seconds * 1000
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (!(error instanceof Unmet) || performance.now() > endsAt) throw error
    }
    await sleep(everyMs)
  }
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
