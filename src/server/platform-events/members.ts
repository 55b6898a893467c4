/** The members of what WeChat sends, whether it is JSON or XML: names without the blanks around them, nothing inherited. */
import { XMLParser } from 'fast-xml-parser'

export type Members = ReadonlyMap<string, unknown>

/**
 * No entity is resolved and no document type read: both are how a small XML becomes a big one. Values stay the text they are, and
 * nesting is bounded.
 */
const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  processEntities: false,
  maxNestedTags: 20,
})

export type Parsed = { format: 'json' | 'xml'; members: Members }

/** Undefined for what is neither a JSON object nor an XML document. */
export function readMembers(text: string): Parsed | undefined {
  const start = text.trimStart()
  try {
    if (start.startsWith('{')) return { format: 'json', members: membersOf(JSON.parse(text)) }
    if (!start.startsWith('<') || /<!(DOCTYPE|ENTITY)/i.test(text)) return undefined
    const document: unknown = parser.parse(text)
    const [root] = Object.values(typeof document === 'object' && document !== null ? document : {})
    return typeof root === 'object' && root !== null ? { format: 'xml', members: membersOf(root) } : undefined
  } catch {
    return undefined
  }
}

/** One published sample of WeChat's has `" OpenID"` as a name (doc/oplatform/Mobile_App/WeChat_Login/authorization_change). */
export function membersOf(value: object): Members {
  const members = new Map<string, unknown>()
  for (const [name, each] of Object.entries(value)) if (!members.has(name.trim())) members.set(name.trim(), each)
  return members
}

/** A member's text; undefined when it is missing, empty or no scalar. */
export function textOf(members: Members, name: string): string | undefined {
  const value = members.get(name)
  if (typeof value !== 'string' && typeof value !== 'number') return undefined
  const text = String(value).trim()
  return text === '' ? undefined : text
}
