/** The documentation against what is there: files, headings, commands and the API's paths. */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }
import { pushEnvironment } from '../testing/push.ts'
import { startTestGateway } from '../testing/test-gateway.ts'

const pages = globSync(
  ['README*.md', 'AGENTS.md', 'CHANGELOG.md', 'docs/*.md', '{examples,bench,conformance}/**/README.md'],
  {
    exclude: (path) => path.includes('node_modules'),
  },
)
const textOf = (page: string) => readFileSync(page, 'utf8')
const outsideOfCode = (text: string) =>
  text.replaceAll(/```[\s\S]*?```/g, '').replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ''))

/** Paths of other people's APIs. */
const ofPlatforms = ['/api/rmp/session']

/** As GitHub makes them: small letters, spaces to hyphens, a number where one comes again. */
function anchorsOf(text: string): Set<string> {
  const seen = new Map<string, number>()
  const anchors = new Set<string>()
  for (const [, heading = ''] of text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/^#{1,6}\s+(.+)$/gm)) {
    const plain = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .trim()
      .toLowerCase()
    const slug = plain.replaceAll(/[^\p{L}\p{N}\p{M}\s_-]/gu, '').replaceAll(/\s/g, '-')
    const times = seen.get(slug) ?? 0
    seen.set(slug, times + 1)
    anchors.add(times === 0 ? slug : `${slug}-${times}`)
  }
  return anchors
}

function brokenLinks(page: string): string[] {
  const broken: string[] = []
  for (const [, target = ''] of outsideOfCode(textOf(page)).matchAll(/\]\(([^()\s]+)\)/g)) {
    if (/^[a-z][a-z+.-]*:/i.test(target)) continue
    const [path = '', anchor] = decodeURI(target).split('#')
    const file = path === '' ? page : normalize(join(dirname(page), path))
    if (!existsSync(file)) broken.push(`${page}: ${target}`)
    else if (anchor !== undefined && statSync(file).isFile() && !anchorsOf(textOf(file)).has(anchor))
      broken.push(`${page}: ${target} has no such heading`)
  }
  return broken
}

test('every relative link in the documentation leads to a file, and to a heading of it', () => {
  expect(pages.length).toBeGreaterThan(12)
  const links = pages.flatMap((page) => [...textOf(page).matchAll(/\]\((?![a-z]+:)/g)])
  expect(links.length).toBeGreaterThan(30)
  expect(pages.flatMap(brokenLinks)).toEqual([])
})

test('headings become the anchors that GitHub makes of them', () => {
  const text =
    '# `npm run dev`, & more\n## 中文 标题\n## Same\n## Same\n```sh\n# no heading\n```\n### See [docs](x.md)\n'
  expect([...anchorsOf(text)]).toEqual(['npm-run-dev--more', '中文-标题', 'same', 'same-1', 'see-docs'])
})

test.each(['README.md', 'README.zh-CN.md'])('%s can be read in one go', (page) => {
  expect(textOf(page).split('\n').length).toBeLessThan(150)
})

test('every npm command in the documentation exists', () => {
  const scripts = new Set(Object.keys(packageJson.scripts))
  const named = pages
    .filter((page) => !page.startsWith('examples/') && !page.startsWith('bench/'))
    .flatMap((page) =>
      [...textOf(page).matchAll(/\bnpm (?:run ([\w:-]+)|(start|test)\b)/g)].map(([, one, two]) => one ?? two ?? ''),
    )
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((name) => !scripts.has(name))).toEqual([])
})

test('every file of the project that a page names in code is there', () => {
  const missing = pages.flatMap((page) =>
    [...textOf(page).matchAll(/`((?:src|docs|k8s|bench|examples|migrations)\/[\w./-]+)`/g)]
      .map(([, path = '']) => path)
      .filter((path) => !existsSync(path))
      .map((path) => `${page}: ${path}`),
  )
  expect(missing).toEqual([])
})

test('every path of the API that the documentation names is served, by the method that it names', async () => {
  // With every optional capability switched on.
  const environment = {
    CLIENTS: '[{"id":"pc","name":"PC","kind":"device"}]',
    EVENT_TARGETS: '[{"id":"orders","audience":"orders"}]',
    ...pushEnvironment,
    ADMIN_TOKENS: `all:sign+credential+platform-events:${'s'.repeat(32)}`,
  }
  const gateway = await startTestGateway({ environment })
  const description = (await (await gateway.internalApp.request('/openapi.json')).json()) as {
    paths: Record<string, object>
  }
  await gateway.close()
  const segments = (path: string) => path.split('/')
  /** A segment of a page may be an id, a shell variable or a placeholder of its own. */
  const fits = (path: string, pattern: string) => {
    const [given, wanted] = [segments(path), segments(pattern)]
    return given.length === wanted.length && wanted.every((part, at) => part.startsWith('{') || part === given[at])
  }
  const served = (method: string | undefined, path: string) =>
    Object.entries(description.paths).some(
      ([pattern, item]) =>
        fits(path, pattern) && (method === undefined || Object.keys(item).includes(method.toLowerCase())),
    )
  const mention =
    /(?:\b(GET|POST|PUT|PATCH|DELETE) )?(?:https?:\/\/[\w.:-]+|(?<![\w.*/-]))(\/(?:(?:api|admin|internal|oauth2|\.well-known|status-lists|avatars)\/[^\s`'"?#,;|()\\]+|(?:verify|livez|readyz|metrics|status-lists|openapi\.json)\b(?!\/)))/g
  const unserved: string[] = []
  let mentions = 0
  for (const page of pages)
    for (const [, method, raw = ''] of textOf(page).matchAll(mention)) {
      const path = raw.replace(/[.:。，、：]+$/, '')
      if (/[*…<]|\.\.\./.test(path) || ofPlatforms.includes(path)) continue
      mentions += 1
      if (!served(method, path)) unserved.push(`${page}: ${method ?? ''} ${path}`)
    }
  expect(mentions).toBeGreaterThan(60)
  expect(unserved).toEqual([])
}, 120_000)
