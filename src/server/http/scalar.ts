/**
 * The script of the API page. `@scalar/api-reference` itself brings 300 packages; its plugin for Fastify carries the same script
 * ready built and hands it to a route, so that plugin is given a server that keeps this route and nothing else.
 */

type ScriptRoute = {
  url: string
  handler(request: undefined, reply: { header(): unknown; send(text: string): string }): string
}

/** Throws when the package hands out no script, which its next version may bring about; a test sees it. */
export async function loadScalar(): Promise<string> {
  const { default: plugin } = await import('@scalar/fastify-api-reference')
  const routes: ScriptRoute[] = []
  const server = { route: (route: ScriptRoute) => routes.push(route), initialConfig: {}, log: console }
  const install = plugin as unknown as (server: object, options: object, done: () => void) => unknown
  await install(server, { routePrefix: '/docs', configuration: { url: 'openapi.json' } }, () => undefined)
  const script = routes.find(({ url }) => url.endsWith('.js'))
  if (!script) throw new Error('the package of the API page has no script')
  const reply = { header: () => reply, send: (text: string) => text }
  // Its source map is not served.
  return script.handler(undefined, reply).replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n')
}
