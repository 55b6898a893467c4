/** Tells Stryker to leave alone what is said to people: the texts of errors and log lines, and descriptions. No program depends on them. */

type Node = {
  type: string
  callee?: Node
  property?: Node
  key?: Node
  left?: Node
  object?: Node
  properties?: Node[]
  name?: string
}
type Path = { node: Node; parentPath: Path | null }

const SAID = ['StringLiteral', 'TemplateLiteral']
const WORDS = ['description', 'summary', 'note', 'alert', 'zh', 'en']
/** Methods whose argument is said to somebody. */
const SAYING = ['describe', 'debug', 'info', 'warn', 'error', 'fatal', 'alert']

const nameOf = (node: Node | undefined): string => node?.name ?? node?.property?.name ?? ''

function shouldIgnore({ node, parentPath }: Path): string | undefined {
  const parent = parentPath?.node
  const { properties = [] } = node
  if (nameOf(parent?.callee) === 'GatewayError' && properties.every(({ key }) => WORDS.includes(nameOf(key)))) {
    if (properties.length > 0) return 'words'
  }
  if (!parent || !SAID.includes(node.type)) return undefined
  const called = nameOf(parent.callee)
  // The code of a GatewayError is no text.
  const thrown = called.endsWith('Error') || parentPath?.parentPath?.node.type === 'ThrowStatement'
  if (parent.type === 'NewExpression' && thrown && called !== 'GatewayError') return 'text of an error'
  if (parent.type === 'CallExpression' && SAYING.includes(called)) return 'text of a log line or description'
  if (parent.type === 'ObjectProperty' && WORDS.includes(nameOf(parent.key))) return 'words'
  const { left } = parent
  if (left?.object?.type === 'ThisExpression' && nameOf(left) === 'name') return 'name of an error'
  return undefined
}

export const strykerPlugins = [{ kind: 'Ignore', name: 'texts', value: { shouldIgnore } }]
