/** The connection to Redis, against a server that answers what a test needs. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { connectRedis } from './redis.ts'

/** A master that was demoted: it lets clients in, and refuses every write. */
async function startDemoted() {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      for (const [, name = ''] of chunk.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g)) {
        const command = name.toLowerCase()
        if (command === 'info') socket.write('$11\r\nloading:0\r\n\r\n')
        else if (command === 'set') socket.write("-READONLY You can't write against a read only replica.\r\n")
        else socket.write('+OK\r\n')
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

test('a demoted master that refuses many commands at once is left once, without a warning of the runtime', async () => {
  const warnings: string[] = []
  const onWarning = (warning: Error) => void warnings.push(warning.name)
  process.on('warning', onWarning)
  onTestFinished(() => void process.off('warning', onWarning))
  const connection = connectRedis({ url: `redis://127.0.0.1:${await startDemoted()}`, keyPrefix: '' })
  onTestFinished(() => connection.close())
  const { client } = connection
  await vi.waitFor(() => expect(client.status).toBe('ready'), { timeout: 5000 })
  const reconnecting = once(client, 'reconnecting')
  const writes = Array.from({ length: 40 }, (_, n) => connection.run(`k${n}`, () => client.set(`k${n}`, 'v')))
  for (const { status } of await Promise.allSettled(writes)) expect(status).toBe('rejected')
  await reconnecting
  await new Promise((resolve) => setImmediate(resolve))
  expect(warnings).toEqual([])
})
