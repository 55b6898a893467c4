/** Writes sdks/vectors, which the verifiers of every language must answer alike: `npm run vectors`. A test holds the files equal to this. */

import { writeFileSync } from 'node:fs'
import { eventVectors } from './vectors/events.ts'
import type { ScriptFile, Vector, VectorFile } from './vectors/format.ts'
import { CONFIG, GATEWAY, NOW } from './vectors/gateway.ts'
import { goodVectors } from './vectors/good.ts'
import { hostileVectors } from './vectors/hostile.ts'
import { listVectors } from './vectors/lists.ts'
import { oddVectors } from './vectors/odd.ts'
import { scripts } from './vectors/scripts.ts'

const shared = (about: string) => ({
  about: `${about} Made by npm run vectors; sdks/vectors/README.md describes the form.`,
  now: NOW,
  config: CONFIG,
  gateway: GATEWAY,
})

const file = (about: string, vectors: Vector[]): VectorFile => ({ ...shared(about), vectors })

export const vectorFiles: Record<string, VectorFile> = {
  'good.json': file('Tokens that are accepted.', goodVectors),
  'hostile.json': file('Tokens of attackers.', hostileVectors),
  'odd.json': file('Strange tokens, keys and configurations.', oddVectors),
  'lists.json': file('Status lists.', listVectors),
  'events.json': file('Security event tokens.', eventVectors),
}

export const scriptFile: ScriptFile = { ...shared('What a verifier does in time.'), scripts }

/** As they are written: a member that is `undefined` is left out, and what is read back is what the tests use. */
export const written = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`

if (import.meta.main) {
  const folder = new URL('../../../sdks/vectors/', import.meta.url)
  for (const [name, content] of Object.entries({ ...vectorFiles, 'scripts.json': scriptFile })) {
    writeFileSync(new URL(name, folder), written(content))
  }
}
