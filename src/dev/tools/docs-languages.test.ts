/** Every page that has a Chinese twin, against it: the same code, the same sections, a link either way. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'

const twins = globSync('docs/*.zh-CN.md').sort()

type Block = { language: string; code: string }

const blocksOf = (text: string): Block[] =>
  [...text.matchAll(/^ *```(\w*)\n([\s\S]*?)^ *```$/gm)].map(([, language = '', code = '']) => ({ language, code }))

/** Where a comment begins, by the name of the language. A URL's // and a shell's -- follow no space or are no comment there. */
const comments: Record<string, RegExp> = {
  ...Object.fromEntries(['js', 'ts', 'java', 'go'].map((language) => [language, /(^|\s)\/\/.*$/gm])),
  ...Object.fromEntries(['sh', 'yaml', 'python', 'nginx'].map((language) => [language, /(^|\s)#.*$/gm])),
  sql: /(^|\s)--.*$/gm,
}

/** Indentation of a whole block belongs to the list around it, not to the code. */
function bare({ language, code }: Block): Block {
  const lines = code.replaceAll(comments[language] ?? /$^/g, '').split('\n')
  const margin = Math.min(...lines.filter((line) => line.trim() !== '').map((line) => line.search(/\S/)))
  return { language, code: lines.map((line) => line.slice(margin).trimEnd()).join('\n') }
}

const outline = (text: string) =>
  [...text.replaceAll(/^ *```[\s\S]*?^ *```$/gm, '').matchAll(/^(#+) /gm)].map(([, level]) => level)

test('the pages for a first start, a move, an audit and a rollout are there in both languages', () => {
  const wanted = [
    'configuration',
    'consumers',
    'deploy',
    'events',
    'every-screen',
    'migration',
    'miniprogram',
    'security',
    'session-key',
    'verify',
    'web',
  ]
  expect(twins.map((page) => basename(page, '.zh-CN.md'))).toEqual(expect.arrayContaining(wanted))
})

describe.each(twins)('%s', (page) => {
  const original = page.replace('.zh-CN', '')
  const [chinese, english] = [page, original].map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : ''))
  const top = (text = '') => text.split('\n').slice(0, 6).join('\n')

  test('links to its English twin at its top, and is linked from there', () => {
    expect(top(chinese)).toContain(`[English](${basename(original)})`)
    expect(top(english)).toMatch(new RegExp(`\\[中文版?\\]\\(${basename(page)}\\)`))
  })

  test('has the same code, but for comments', () => {
    expect(blocksOf(chinese ?? '').map(bare)).toEqual(blocksOf(english ?? '').map(bare))
  })

  test('has the same sections', () => {
    expect(outline(chinese ?? '')).toEqual(outline(english ?? ''))
  })

  test('leads a reader of Chinese to the Chinese pages, where there are any', () => {
    const links = [...(chinese ?? '').matchAll(/\]\(([\w-]+)\.md/g)].map(([, name = '']) => name)
    const foreign = links.filter((name) => `${name}.md` !== basename(original) && existsSync(`docs/${name}.zh-CN.md`))
    expect(foreign).toEqual([])
  })
})

test('README.zh-CN.md has the same code as README.md, but for comments', () => {
  const [english, chinese] = ['README.md', 'README.zh-CN.md'].map((file) =>
    blocksOf(readFileSync(file, 'utf8'))
      .filter(({ language }) => language !== '')
      .map(bare),
  )
  expect(english).toHaveLength(7)
  expect(chinese).toEqual(english)
})

test('a difference in code is found, one in a comment is not', () => {
  const page = (code: string) => blocksOf(`\`\`\`sh\n${code}\n\`\`\`\n`).map(bare)
  expect(page('npm run dev # 启动')).toEqual(page('npm run dev # start'))
  expect(page('# 启动\nnpm run dev')).toEqual(page('# start\nnpm run dev'))
  expect(page('npm run dev --port 1')).not.toEqual(page('npm run dev --port 2'))
})
