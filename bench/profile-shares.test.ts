import { expect, test } from 'vitest'
import { type Profile, sharesOf } from './profile-shares.ts'

const frame = (functionName: string, url = '') => ({ functionName, url })

/** root → src/server/login → node: crypto; root → node: sockets → undici; idle; collector below src/server/login. */
const profile: Profile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 4, 6] },
    { id: 2, callFrame: frame('login', 'file:///app/src/server/login/login.ts'), children: [3, 7] },
    { id: 3, callFrame: frame('sign', 'node:internal/crypto/sig') },
    { id: 4, callFrame: frame('onread', 'node:internal/stream_base_commons'), children: [5] },
    { id: 5, callFrame: frame('parse', 'file:///app/node_modules/@scope/parser/src/index.js') },
    { id: 6, callFrame: frame('(idle)') },
    { id: 7, callFrame: frame('(garbage collector)') },
  ],
  startTime: 1000,
  samples: [2, 3, 4, 5, 7, 6, 3],
  timeDeltas: [10, 20, 10, 30, 30, 100, 500],
}

test('time belongs to the folder or package that asked for it, idle time to nobody, and only what lies in the window counts', () => {
  const { owners, busy } = sharesOf(profile, { fromUs: 1000, toUs: 1300 })
  expect(Object.fromEntries(owners.map(({ owner, share }) => [owner, share]))).toEqual({
    'src/server/login': 0.3,
    '@scope/parser': 0.3,
    '(garbage collector)': 0.3,
    'Node.js: HTTP, sockets, event loop': 0.1,
  })
  expect(busy).toBe(0.5)
})
