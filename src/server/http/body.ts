/** Reads bodies with a limit, as JSON, form or bytes: the right refusal for a wrong type, too many bytes and unstorable characters. */
import { isUtf8 } from 'node:buffer'
import { GatewayError, invalidField } from '../errors.ts'
import type { GatewayContext } from './context.ts'

export const MAX_JSON_BYTES = 64 * 1024
const MAX_FORM_BYTES = 16 * 1024

/** `anyType`: what the sender calls it does not matter, since its content tells. */
export type BytesDescription = { maxBytes: number; types: readonly string[]; anyType?: boolean }

/**
 * The parsed body; undefined when there is none. Throws A0415, A0413, A0427 or A0400. Members that are `decoration` may hold what cannot
 * be stored: whoever reads them drops it.
 */
export async function readJson(
  c: GatewayContext,
  {
    maxBytes = MAX_JSON_BYTES,
    decoration = [],
  }: { maxBytes?: number; decoration?: readonly string[] | undefined } = {},
): Promise<unknown> {
  const bytes = await readBytes(c, maxBytes)
  if (bytes.length === 0) return undefined
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(c.req.header('content-type') ?? ''))
    throw new GatewayError('A0415')
  // RFC 8259 section 8.1: JSON is UTF-8. Replacing broken bytes would store something the client never sent.
  if (!isUtf8(bytes)) throw new GatewayError('A0427', { note: 'not UTF-8' })
  const text = bytes.toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new GatewayError('A0427')
  }
  // Escapes are the only way to NUL and lone surrogates, which PostgreSQL cannot store.
  if (text.includes('\\u')) refuseUnstorable(value, decoration)
  return value
}

/**
 * The members of an application/x-www-form-urlencoded body. RFC 6749 section 3.2: one that is empty counts as left out, and none may
 * come twice. Throws A0415, A0413 or A0400.
 */
export async function readForm(c: GatewayContext): Promise<Record<string, string>> {
  if (mediaTypeOf(c) !== 'application/x-www-form-urlencoded') throw new GatewayError('A0415')
  const bytes = await readBytes(c, MAX_FORM_BYTES)
  const members: Record<string, string> = Object.create(null)
  for (const [name, value] of new URLSearchParams(bytes.toString('utf8'))) {
    if (value === '') continue
    if (name in members) throw invalidField(name.slice(0, 100), 'is there twice')
    if (value.includes('\0')) throw invalidField(name.slice(0, 100), 'contains a NUL character')
    members[name] = value
  }
  return members
}

/** A body of one of these media types, as it is. Throws A0415 or A0413. */
export async function readTyped(c: GatewayContext, { maxBytes, types, anyType }: BytesDescription): Promise<Buffer> {
  if (!anyType && !types.includes(mediaTypeOf(c))) throw new GatewayError('A0415')
  return await readBytes(c, maxBytes)
}

const mediaTypeOf = (c: GatewayContext): string =>
  c.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? ''

export async function readBytes(c: GatewayContext, maxBytes: number): Promise<Buffer> {
  const { raw } = c.req
  const declared = c.req.header('content-length')
  if (Number(declared) > maxBytes) throw new GatewayError('A0413')
  try {
    if (declared !== undefined) return Buffer.from(await raw.arrayBuffer())
    if (c.req.header('transfer-encoding') === undefined && !raw.body) return Buffer.alloc(0)
    return await readChunks(raw.body, maxBytes)
  } catch (error) {
    if (error instanceof GatewayError) throw error
    // The client went away in the middle: nobody reads this reply, and neither we nor a store are at fault.
    throw new GatewayError('A0427', { note: 'the body broke off', cause: error })
  }
}

/** A body of unknown length is given up as soon as it is too long. */
async function readChunks(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body ?? []) {
    size += chunk.length
    if (size > maxBytes) throw new GatewayError('A0413')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Walks without recursion: the nesting is the sender's choice. */
function refuseUnstorable(root: unknown, decoration: readonly string[]): void {
  const open: { path: string; value: unknown }[] = [{ path: '', value: root }]
  for (let next = open.pop(); next; next = open.pop()) {
    const { path, value } = next
    if (decoration.includes(path)) continue
    if (typeof value === 'string') {
      if (value.includes('\0') || !value.isWellFormed())
        throw invalidField(path || 'body', 'contains a NUL character or an unpaired surrogate')
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, each] of Object.entries(value)) {
        if (name.includes('\0') || !name.isWellFormed())
          throw invalidField(path || 'body', 'contains a name with a NUL character or an unpaired surrogate')
        open.push({ path: path === '' ? name : `${path}.${name}`.slice(0, 100), value: each })
      }
    }
  }
}
