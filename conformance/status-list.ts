/** Reads a Token Status List (draft-ietf-oauth-status-list) as a verifier of another team would, with libraries of others. */
import { inflateSync } from 'node:zlib'
import { createLocalJWKSet, type JSONWebKeySet, type JWTHeaderParameters, jwtVerify } from 'jose'
import { expectThat, inspect } from './checks.ts'
import { type Answer, shown } from './http.ts'
import { Unmet } from './requirement.ts'
import type { World } from './world.ts'

export type StatusReference = { idx: number; uri: string }

export type StatusList = { answer: Answer; header: JWTHeaderParameters; claims: Record<string, unknown>; bits: Buffer }

/** The path under the service's base URLs: what is published under the issuer's name is served by each replica. */
export function pathOf(uri: string, issuer: string): string {
  expectThat(uri.startsWith(`${issuer}/`), `a URI under the issuer ${issuer}`, uri)
  return new URL(issuer).pathname.replace(/\/$/, '') + uri.slice(issuer.length)
}

/** Fetches and verifies a list; throws Unmet for anything that a verifier would stumble over. */
export async function fetchStatusList(world: World, path: string, base?: number): Promise<StatusList> {
  const { service, profile } = world
  const answer = await service.get(path, { accept: 'application/statuslist+jwt' }, base)
  expectThat(answer.status === 200, 'a status list', shown(answer))
  const jwks = (await service.get(profile.jwks ?? '', {}, base)).json as JSONWebKeySet
  try {
    const { payload, protectedHeader } = await jwtVerify(answer.text, createLocalJWKSet(jwks))
    const { lst, bits } = (payload.status_list ?? {}) as { lst?: unknown; bits?: unknown }
    expectThat(typeof lst === 'string' && bits === 1, 'status_list with lst and bits: 1', inspect(payload.status_list))
    return {
      answer,
      header: protectedHeader,
      claims: payload,
      bits: inflateSync(Buffer.from(String(lst), 'base64url')),
    }
  } catch (error) {
    if (error instanceof Unmet) throw error
    throw new Unmet('a status list that verifies and unpacks', error instanceof Error ? error.message : String(error))
  }
}

/** Section 4.1: bit 0 is the lowest of the first byte. */
export function isSet({ bits }: StatusList, idx: number): boolean {
  expectThat(idx < bits.length * 8, `index ${idx} within the list`, `${bits.length * 8} entries`)
  return (((bits[idx >> 3] ?? 0) >> (idx & 7)) & 1) === 1
}
