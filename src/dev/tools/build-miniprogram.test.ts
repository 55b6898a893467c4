/** What is published of the mini-program SDK: its size, its language, its needs, its types, and the sample's copy. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import { transform } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFakeWx } from '../testing/fake-wx.ts'
import { buildMiniprogramSdk, bundleMiniprogramSdk, describePackage } from './build-miniprogram.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'miniprogram-sdk-'))
  await buildMiniprogramSdk({ dist: `${folder}/dist`, sample: `${folder}/sample` })
})
afterAll(() => rmSync(folder, { recursive: true }))

test('the SDK is under 10 kB minified, and imports nothing', async () => {
  const code = await bundleMiniprogramSdk('esm', true)
  expect(Buffer.byteLength(code)).toBeLessThan(10_000)
  expect(readFileSync(`${folder}/dist/sdk/miniprogram/miniprogram.js`, 'utf8')).not.toMatch(
    /^import |\bimport\(|\brequire\(/m,
  )
  expect(readFileSync(`${folder}/dist/miniprogram/miniprogram.js`, 'utf8')).not.toMatch(/\bimport\(|\brequire\(/)
})

test('the published files are plain ES2017: a compiler for ES2017 finds nothing to rewrite', async () => {
  for (const file of ['dist/sdk/miniprogram/miniprogram.js', 'dist/miniprogram/miniprogram.js']) {
    const code = readFileSync(`${folder}/${file}`, 'utf8')
    const [before, after] = await Promise.all(
      (['esnext', 'es2017'] as const).map((target) => transform(code, { target, charset: 'utf8' })),
    )
    expect(after?.code, file).toBe(before?.code)
  }
})

test('what is packed is the SDKs alone, though the server is built into the same folder', () => {
  mkdirSync(`${folder}/dist/server`)
  writeFileSync(`${folder}/dist/server/main.js`, '')
  describePackage(`${folder}/dist`)
  const packed = execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: `${folder}/dist`, encoding: 'utf8' })
  const folders = JSON.parse(packed)[0].files.map(({ path }: { path: string }) => path.split('/')[0])
  expect([...new Set(folders)].sort()).toEqual(['LICENSE', 'miniprogram', 'package.json', 'sdk'])
})

test('the SDK runs where there is nothing but the language, timers and wx', async () => {
  const phone = createFakeWx({ appid: 'wx1', login: () => 'code-1' })
  phone.controls.offline = true
  const context = createContext({ module: { exports: {} }, setTimeout, clearTimeout, wx: phone.wx })
  const code = readFileSync(`${folder}/dist/miniprogram/miniprogram.js`, 'utf8')
  const request = `module.exports.createAuth({ baseURL: 'http://127.0.0.1:9' }).request({ url: '/orders' })`
  const error = await runInContext(`${code};${request}.catch((error) => error)`, context)
  expect(error).toMatchObject({ name: 'AuthError', code: 'LOGIN_FAILED' })
})

test('the types stand alone, and WeChat’s own typings fit them: the sample compiles', () => {
  const seen = readdirSync(`${folder}/dist/sdk/miniprogram`).map((file) =>
    readFileSync(`${folder}/dist/sdk/miniprogram/${file}`, 'utf8'),
  )
  expect(seen.join('\n')).not.toMatch(/<reference|WechatMiniprogram|from 'node:/)
  execFileSync(`${root}node_modules/.bin/tsc`, ['-p', `${root}examples/miniprogram`], { encoding: 'utf8' })
})

test('the sample carries the SDK as it is built from this source', () => {
  const names = readdirSync(`${folder}/sample`)
  expect(readdirSync(`${root}examples/miniprogram/sdk`)).toEqual(names)
  for (const name of names) {
    const committed = readFileSync(`${root}examples/miniprogram/sdk/${name}`, 'utf8')
    expect(committed, name).toBe(readFileSync(`${folder}/sample/${name}`, 'utf8'))
  }
})
