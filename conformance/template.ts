/** Fills the {names} of a profile's requests. */

export type Values = Readonly<Record<string, string | undefined>>

const NAME = /\{([a-z_]+)\}/g

/** Every {name} in the strings of a value replaced; a member whose whole text is a {name} without a value is left out. */
export function fill(value: unknown, values: Values, encode: (text: string) => string = (text) => text): unknown {
  if (typeof value === 'string') return value.replace(NAME, (_, name: string) => encode(values[name] ?? ''))
  if (Array.isArray(value)) return value.map((item) => fill(item, values, encode))
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).filter(([, member]) => {
    const [, only] = typeof member === 'string' ? (/^\{([a-z_]+)\}$/.exec(member) ?? []) : []
    return only === undefined || values[only] !== undefined
  })
  return Object.fromEntries(members.map(([name, member]) => [name, fill(member, values, encode)]))
}

export function namesIn(value: unknown): Set<string> {
  if (typeof value === 'string') return new Set([...value.matchAll(NAME)].map(([, name = '']) => name))
  if (typeof value !== 'object' || value === null) return new Set()
  return new Set(Object.values(value).flatMap((member) => [...namesIn(member)]))
}

/** The member of a JSON value at a path such as `data.token`; undefined when it is not there. */
export function memberAt(value: unknown, path: string | undefined): unknown {
  if (path === undefined) return undefined
  let at = value
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Record<string, unknown>)[name]
  }
  return at
}
