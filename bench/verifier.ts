/** What checking a token costs a service: the verifier SDK, revocation included, beside bare `jwtVerify` of jose with the same key. */

import { createLocalJWKSet, jwtVerify } from 'jose'
import { createVerifier } from '../src/sdk/verifier/verifier.ts'
import { median } from './figures.ts'
import { table } from './report.ts'
import type { Runner } from './runner.ts'

/** CPU microseconds a call, one for each round. */
export type VerifierCost = { sdk: number[]; jose: number[] }

const CALLS = 2000

export async function measureVerifier(runner: Runner, rounds: number): Promise<VerifierCost> {
  const { token = '' } = await runner.login('u1-to-verify')
  const keys = createLocalJWKSet(JSON.parse(await (await fetch(`${runner.url}/.well-known/jwks.json`)).text()))
  const verifier = createVerifier({ issuer: runner.url, audience: runner.url })
  const contestants = {
    sdk: () => verifier.verify(token),
    jose: () => jwtVerify(token, keys, { issuer: runner.url, audience: runner.url, algorithms: ['ES256'] }),
  }
  const cost: VerifierCost = { sdk: [], jose: [] }
  try {
    await verifier.ready()
    for (const verify of Object.values(contestants)) await cpuMicroseconds(verify)
    for (let round = 0; round < rounds; round += 1) {
      for (const name of round % 2 === 0 ? NAMES : NAMES.toReversed()) {
        cost[name].push(await cpuMicroseconds(contestants[name]))
      }
    }
  } finally {
    verifier.close()
  }
  return cost
}

const NAMES = ['sdk', 'jose'] as const

/** Of all threads: signatures are checked on other ones. */
async function cpuMicroseconds(verify: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  for (let call = 0; call < CALLS; call += 1) await verify()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / CALLS
}

export const verifierRatio = ({ sdk, jose }: VerifierCost): number =>
  median(sdk.map((cost, round) => cost / (jose[round] ?? Number.NaN)))

export function verifierTable(cost: VerifierCost): string {
  const row = (name: string, values: number[], ratio: number) => [name, median(values).toFixed(0), ratio.toFixed(2)]
  return `\nverifying a token in a service\n${table([
    ['', 'CPU µs per call', 'x jose'],
    row('verifier SDK', cost.sdk, verifierRatio(cost)),
    row('jose jwtVerify', cost.jose, 1),
  ])}`
}
