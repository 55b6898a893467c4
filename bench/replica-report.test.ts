import { expect, test } from 'vitest'
import { type Cores, limitOf } from './replica-report.ts'

const idle: Cores = { gateways: 0.2, postgres: 0.5, redis: 0.1, wechat: 0.1, load: 0.3, machine: 1.5 }

test.each<[string, Partial<Cores>, number]>([
  ['the machine', { machine: 3.8, gateways: 1.9 }, 2],
  ["the gateways' event loops", { gateways: 1.9 }, 2],
  ['Redis', { gateways: 1.9, redis: 0.95 }, 4],
  ['the fake WeChat', { wechat: 0.95 }, 1],
  ['the load generators', { load: 1.9 }, 1],
  ['waiting: the disk and locks', { gateways: 0.8 }, 1],
])('the limit is %s when that is used up', (limit, busy, processes) => {
  expect(limitOf({ ...idle, ...busy }, processes, 4)).toBe(limit)
})
