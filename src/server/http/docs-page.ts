/** The page that shows the API description: Scalar with our colours and nothing of its makers' servers. Loaded when somebody asks for it. */
import type { LiveExamples } from './examples.ts'
import { loadScalar } from './scalar.ts'

export type DocsParts = {
  describe: () => Promise<object>
  /** What the page shows, by a short name: the routes of a listener, called where that listener answers. */
  parts: Readonly<Record<string, { title: string; describe: () => Promise<object> }>>
  issuer: string
  liveExamples: (() => LiveExamples) | undefined
}

export const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Auth gateway API</title>
<link rel="icon" href="docs/icon.svg">
<link rel="stylesheet" href="docs/page.css">
</head>
<body>
<div id="api"></div>
<noscript>This page needs JavaScript. The description itself is <a href="openapi.json">openapi.json</a>.</noscript>
<script src="docs/scalar.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`

/** Scalar's settings; what is switched off here would ask its makers' servers, which the page's policy forbids as well. */
const settings = {
  // No font, no telemetry, no assistant, no proxy: the page works where there is no internet.
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: 'never',
  persistAuth: false,
  defaultHttpClient: { targetKey: 'shell', clientKey: 'curl' },
  theme: 'none',
}

function startScript({ parts, liveExamples }: DocsParts): string {
  const live = liveExamples?.()
  const sources = Object.entries(parts).map(([name, { title }]) => ({ slug: name, title, url: `docs/${name}.json` }))
  const known = live?.operatorToken && {
    authentication: { securitySchemes: { service: { token: live.operatorToken } } },
  }
  return `Scalar.createApiReference('#api', ${JSON.stringify({ ...settings, sources, ...known })})\n`
}

/** Colours with the contrast that WCAG 2.1 asks for, in both themes, and the system's own fonts. */
const style = `body { margin: 0 }
.light-mode, :root {
  --scalar-font: system-ui, -apple-system, 'Segoe UI', 'PingFang SC', 'Microsoft YaHei', sans-serif;
  --scalar-font-code: ui-monospace, SFMono-Regular, Consolas, monospace;
}
body.light-mode {
  --scalar-color-3: #636363;
  --scalar-color-green: #00714a;
  --scalar-color-orange: #a84300;
  --scalar-color-red: #c7181b;
  --scalar-color-blue: #0b62c4;
  --scalar-color-yellow: #7a5b00;
  --scalar-color-purple: #6d3fc0;
}
body.dark-mode { --scalar-color-3: #a0a0a0; --scalar-color-red: #ff8b8f }
`

const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#0b6e4f"/><path d="M5 8.2 7.2 10.4 11.2 5.8" fill="none" stroke="#fff" stroke-width="1.8"/></svg>`

const javascript = 'text/javascript'
type File = { type: string; read(): Promise<string> | string }

export function filesOf(docs: DocsParts): Readonly<Record<string, File>> {
  const parts = Object.entries(docs.parts).map(
    ([name, { describe }]) =>
      [`${name}.json`, { type: 'application/json', read: async () => JSON.stringify(await describe()) }] as const,
  )
  return {
    'start.js': { type: javascript, read: () => startScript(docs) },
    'scalar.js': { type: javascript, read: loadScalar },
    'page.css': { type: 'text/css', read: () => style },
    'icon.svg': { type: 'image/svg+xml', read: () => icon },
    ...Object.fromEntries(parts),
  }
}
