/** The form of the files in sdks/vectors, which verifiers in every language read; sdks/vectors/README.md says it in words. */

import type { VerifierErrorCode } from '../../../sdk/verifier/error.ts'

/** `status` 200 and no headers unless stated; `pad` appends that many spaces. `down`: the connection is refused. `hang`: nothing is ever answered. */
export type Reply =
  | { status?: number; headers?: Record<string, string>; body?: string; pad?: number }
  | { down: true }
  | { hang: true }

/** What the gateway answers, by path; `*` stands for every path and wins. */
export type Gateway = Record<string, Reply>

export type Config = {
  issuer: string
  audience: string | string[]
  algorithms?: ('ES256' | 'RS256' | 'EdDSA')[]
  clockToleranceSeconds?: number
  maxStaleSeconds?: number
  onStaleStatus?: 'allow' | 'refuse'
  onMissingStatus?: 'allow' | 'refuse'
}

export type Expect = { ok: true; claims: Record<string, unknown> } | { ok: false; reason: VerifierErrorCode }

export type Vector = {
  id: string
  why: string
  call: 'verify' | 'verifyEvent'
  /** Replaces members of the file's `config`. */
  config?: Partial<Config>
  /** Replaces replies of the file's `gateway`; null takes one away, so that its path answers 404. */
  gateway?: Record<string, Reply | null>
  token: string
  expect: Expect
}

export type Step = { at: number } & (
  | { gateway: Record<string, Reply | null> }
  | { ready: 'ok' | VerifierErrorCode }
  | { verify: string; times?: number; parallel?: number; expect: Expect }
  | { verifyEvent: string; expect: Expect }
  | { requests: string; exactly?: number; atMost?: number; atLeast?: number }
  | { clock: number }
)

export type Script = {
  id: string
  why: string
  config?: Partial<Config>
  gateway?: Record<string, Reply | null>
  steps: Step[]
}

export type Shared = { about: string; now: number; config: Config; gateway: Gateway }
export type VectorFile = Shared & { vectors: Vector[] }
export type ScriptFile = Shared & { scripts: Script[] }
