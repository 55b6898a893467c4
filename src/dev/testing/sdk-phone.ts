/** A phone with the mini-program SDK on it, a small gateway for it to talk to, and a clock in the test's hand. */
import type { Server } from 'node:http'
import { type AuthError, type AuthOptions, createAuth } from '../../sdk/miniprogram/miniprogram.ts'
import { createFakeWx } from './fake-wx.ts'
import { startGateway } from './miniprogram.ts'

export const APPID = 'wx0000000000000001'
export const PNG = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0xff, 0x0d, 0x0a])

export type SdkTest = Awaited<ReturnType<typeof openSdkTest>>

export async function openSdkTest() {
  const servers: Server[] = []
  const phones: ReturnType<typeof createFakeWx>[] = []
  const clock = {
    at: 1_800_000_000_000,
    slept: [] as number[],
    now: () => clock.at,
    sleep(ms: number): Promise<void> {
      clock.slept.push(ms)
      clock.at += ms
      return new Promise((resolve) => setImmediate(resolve))
    },
  }

  /** Another phone of the same person; closed with the test. */
  function createPhone() {
    let next = 0
    const made = createFakeWx({ appid: APPID, login: () => `code-${++next}`, files: { 'http://tmp/a.png': PNG } })
    phones.push(made)
    return made
  }

  const gateway = await startGateway(servers)
  const phone = createPhone()
  return {
    gateway,
    phone,
    clock,
    /** Of the test; whatever is put here is closed with it. */
    servers,
    createPhone,
    createAuth: (more: Partial<AuthOptions> = {}) =>
      createAuth({ baseURL: gateway.url, api: phone.wx, clock, ...more }),
    async close(): Promise<void> {
      for (const each of phones) each.controls.close()
      for (const server of servers) server.closeAllConnections()
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    },
  }
}

export const failure = (promise: Promise<unknown>): Promise<AuthError> =>
  promise.then(
    () => {
      throw new Error('expected a failure')
    },
    (error) => error,
  )
