/** The part of JSON Schema that the API description uses: checks a value strictly, makes an example, and breaks one. */

export type Schema = { [keyword: string]: unknown }
export type Components = Record<string, Schema>
type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

/** What a check of each keyword looks at; a keyword that is not here is an error, so that none is passed over. */
const KEYWORDS = new Set(
  `$ref type enum const properties required additionalProperties items anyOf minLength maxLength pattern format minimum maximum
   minItems maxItems default description`.split(/\s+/),
)

const FORMATS: Record<string, { fits: (text: string) => boolean; example: string }> = {
  'date-time': {
    fits: (text) =>
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text)),
    example: '2026-01-01T00:00:00.000Z',
  },
  date: { fits: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)), example: '1990-12-31' },
  uuid: {
    fits: (text) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text),
    example: '00000000-0000-7000-8000-000000000000',
  },
  email: { fits: (text) => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text), example: 'someone@example.com' },
  binary: { fits: () => true, example: '' },
}

export function resolve(schema: Schema, components: Components): Schema {
  if (typeof schema.$ref !== 'string') return schema
  const found = components[schema.$ref.replace('#/components/schemas/', '')]
  if (!found) throw new Error(`${schema.$ref} leads nowhere`)
  return found
}

export type Check = {
  components: Components
  /** Whether members that the schema does not name are misfits: so for replies, while requests may hold more unless it is forbidden. */
  strict: boolean
}

/** Everything that does not fit, as `path: why`. */
export function misfits(schema: Schema, value: unknown, check: Check, at = 'body'): string[] {
  const known = resolve(schema, check.components)
  const odd = Object.keys(known).filter((keyword) => !KEYWORDS.has(keyword))
  if (odd.length > 0) throw new Error(`${at}: keywords that nothing here checks: ${odd}`)
  const inner = (each: unknown, part: unknown, name: string) => misfits(each as Schema, part, check, `${at}.${name}`)
  if (Array.isArray(known.anyOf)) {
    const each = known.anyOf.map((one) => inner(one, value, 'anyOf'))
    return each.some((found) => found.length === 0) ? [] : each.flat()
  }
  const types = [known.type].flat().filter((type) => type !== undefined)
  if (types.length > 0 && !types.includes(typeOf(value)) && !(types.includes('number') && typeof value === 'number'))
    return [`${at}: ${typeOf(value)} instead of ${types}`]
  const found: string[] = []
  const refuse = (refused: boolean, why: string) => void (refused && found.push(`${at}: ${why}`))
  if (Array.isArray(known.enum)) refuse(!known.enum.includes(value), `is none of ${known.enum}`)
  if ('const' in known) refuse(known.const !== value, `is not ${known.const}`)
  if (typeof value === 'string') {
    // Counted as JSON Schema counts: in code points.
    const length = [...value].length
    refuse(length < Number(known.minLength ?? 0), 'too short')
    refuse(length > Number(known.maxLength ?? Number.POSITIVE_INFINITY), 'too long')
    if (typeof known.pattern === 'string')
      refuse(!new RegExp(known.pattern, 'u').test(value), `not of ${known.pattern}`)
    if (typeof known.format === 'string') refuse(!formatOf(known.format).fits(value), `no ${known.format}`)
  }
  if (typeof value === 'number') {
    refuse(value < Number(known.minimum ?? Number.NEGATIVE_INFINITY), 'too small')
    refuse(value > Number(known.maximum ?? Number.POSITIVE_INFINITY), 'too large')
  }
  if (Array.isArray(value)) {
    refuse(value.length < Number(known.minItems ?? 0), 'too few')
    refuse(value.length > Number(known.maxItems ?? Number.POSITIVE_INFINITY), 'too many')
    if (known.items) found.push(...value.flatMap((item, index) => inner(known.items, item, String(index))))
  } else if (typeof value === 'object' && value !== null) {
    const properties = (known.properties ?? {}) as Components
    for (const name of (known.required ?? []) as string[]) refuse(!(name in value), `lacks ${name}`)
    for (const [name, part] of Object.entries(value)) {
      const each = properties[name] ?? known.additionalProperties
      if (each) found.push(...(each === true ? [] : inner(each, part, name)))
      else if (each === false || (check.strict && known.properties)) found.push(`${at}.${name}: is not described`)
    }
  }
  return found
}

/** A value that fits, with every optional member there. */
export function exampleOf(schema: Schema, components: Components): Json {
  const known = resolve(schema, components)
  if ('const' in known) return known.const as Json
  if (Array.isArray(known.enum)) return known.enum[0] as Json
  if (Array.isArray(known.anyOf)) return exampleOf(known.anyOf[0] as Schema, components)
  switch ([known.type].flat()[0]) {
    case 'object':
      return Object.fromEntries(
        Object.entries((known.properties ?? {}) as Components).map(([name, each]) => [
          name,
          exampleOf(each, components),
        ]),
      )
    case 'array':
      return known.items ? [exampleOf(known.items as Schema, components)] : []
    case 'integer':
    case 'number':
      return Number(known.minimum ?? 0)
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return typeof known.format === 'string'
        ? formatOf(known.format).example
        : 'x'.repeat(Number(known.minLength ?? 1) || 1)
  }
}

/** Values of every kind, some of them just over the schema's own limits. */
export function candidatesFor(schema: Schema, components: Components): unknown[] {
  const { maxLength, maximum, minimum, maxItems, items, format } = resolve(schema, components)
  const item = items ? exampleOf(items as Schema, components) : 'x'
  return [
    ...[
      7,
      -1,
      0.5,
      1e300,
      '',
      'x',
      '!?',
      true,
      null,
      [],
      [7],
      {},
      { a: 1 },
      '2026-13-01',
      'nobody@',
      'x'.repeat(20_000),
    ],
    ...(maxLength === undefined
      ? []
      : ['x'.repeat(Number(maxLength) + 1), ...(Number(maxLength) > 1000 ? [] : ['😀'.repeat(Number(maxLength) + 1)])]),
    ...(format === 'email' ? [`${'x'.repeat(Number(maxLength ?? 1))}@example.com`] : []),
    ...(maximum === undefined ? [] : [Number(maximum) + 1]),
    ...(minimum === undefined ? [] : [Number(minimum) - 1]),
    ...(maxItems === undefined ? [] : [Array(Number(maxItems) + 1).fill(item)]),
  ]
}

/** What is wrong with the schema itself. */
export function flawsOf(schema: Schema, components: Components, at: string): string[] {
  const found: string[] = []
  const inner = (each: unknown, name: string) => found.push(...flawsOf(each as Schema, components, `${at}.${name}`))
  if (schema.$ref !== undefined) {
    if (!components[String(schema.$ref).replace(/^#\/components\/schemas\//, '')])
      found.push(`${at}: ${schema.$ref} leads nowhere`)
    return found
  }
  for (const keyword of Object.keys(schema))
    if (!KEYWORDS.has(keyword)) found.push(`${at}: ${keyword} is no keyword here`)
  const types = 'string number integer boolean null array object'.split(' ')
  for (const type of [schema.type ?? []].flat()) if (!types.includes(String(type))) found.push(`${at}: no type ${type}`)
  if (schema.enum !== undefined && !(Array.isArray(schema.enum) && schema.enum.length > 0))
    found.push(`${at}: an empty enum`)
  if (schema.format !== undefined && !FORMATS[String(schema.format)]) found.push(`${at}: format ${schema.format}`)
  if (schema.pattern !== undefined && !compiles(String(schema.pattern)))
    found.push(`${at}: the pattern does not compile`)
  const properties = (schema.properties ?? {}) as Components
  for (const name of (schema.required ?? []) as string[])
    if (!properties[name]) found.push(`${at}: requires ${name}, which it does not describe`)
  for (const [name, each] of Object.entries(properties)) inner(each, name)
  if (schema.type === 'array' && !schema.items) found.push(`${at}: a list of what?`)
  if (schema.items) inner(schema.items, 'items')
  if (typeof schema.additionalProperties === 'object') inner(schema.additionalProperties, '*')
  for (const [index, each] of ((schema.anyOf ?? []) as Schema[]).entries()) inner(each, `anyOf.${index}`)
  return found
}

function formatOf(name: string) {
  const format = FORMATS[name]
  if (!format) throw new Error(`no check for the format ${name}`)
  return format
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isInteger(value) ? 'integer' : typeof value
}

function compiles(pattern: string): boolean {
  try {
    return new RegExp(pattern, 'u') instanceof RegExp
  } catch {
    return false
  }
}
