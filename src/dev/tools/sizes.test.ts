/** What counts as the core and the server, and that the core stays within its stated size. */
import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { coreLines } from './plan.ts'
import { measure, report } from './sizes.ts'

const sources = {
  'src/main.ts': "await import('./server/serve/serve.ts')\n",
  'src/server/serve/serve.ts':
    "import { login } from '../login/login.ts'\nimport { a } from '../platforms/alipay.ts'\n",
  'src/server/login/login.ts':
    "import type { X } from './x.ts'\nconst { device } = await import('./device/device.ts')\n\n",
  'src/server/login/x.ts': 'x\n',
  'src/server/login/x.test.ts': 'test\ntest\n',
  'src/server/login/device/device.ts': "import '../y.ts'\n",
  'src/server/login/y.ts': 'y\n',
  'src/server/platforms/alipay.ts': 'a\n',
}

test('what a plain server loads is counted apart from what is optional; types, tests and other platforms are not counted', () => {
  const sizes = measure(sources)
  expect(sizes.core.login).toBe(3)
  expect(sizes).toMatchObject({ coreTotal: 3, server: 6, optional: 3 })
})

test('a core that is bigger than stated is reported as a failure', () => {
  expect(report(measure(sources), 3).ok).toBe(true)
  expect(report(measure(sources), 2)).toMatchObject({ ok: false, text: expect.stringContaining('The core has grown') })
})

test('the core is no bigger than stated', () => {
  const paths = globSync(['src/server/**/*.ts', 'src/*.ts'])
  const { coreTotal } = measure(Object.fromEntries(paths.map((path) => [path, readFileSync(path, 'utf8')])))
  expect(coreTotal).toBeGreaterThan(1000)
  expect(coreTotal).toBeLessThanOrEqual(coreLines)
})
