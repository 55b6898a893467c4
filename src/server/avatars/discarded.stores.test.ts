/** A picture that nobody shows any more is deleted in the end, though the store refused, or the process died, at the first try. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { png, signIn, upload } from '../../dev/testing/avatar.ts'
import { startTestGateway, type TestGateway } from '../../dev/testing/test-gateway.ts'
import { createAvatars } from './avatars.ts'
import { createDiscardedPictures } from './discarded.ts'
import { createDiscardedPictureStore } from './store.ts'

let folder: string
let gateway: TestGateway
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'discarded-'))
  gateway = await startTestGateway({ environment: { AVATAR_STORE: pathToFileURL(folder).href } })
})
afterAll(async () => {
  await gateway.close()
  await rm(folder, { recursive: true })
})

const rows = <Row>(text: string, values: unknown[] = []) =>
  gateway.stores.database.run<Row>({ name: text.slice(0, 60), text }, values)
const waiting = async () => (await rows<{ url: string }>('select url from discarded_pictures')).map(({ url }) => url)
const kept = async () => (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.webp'))

/** The timed task of a replica whose picture store works, or refuses. */
async function jobOf(works: boolean) {
  const { database } = gateway.stores
  const { clock } = database
  const { issuer, avatarStore: config } = gateway.config
  const send = async () => ({ status: 500, text: '' })
  const avatars = await createAvatars({ config, issuer, send, clock, log: { error: () => undefined } })
  const store = createDiscardedPictureStore(database)
  const broken = { ...avatars, remove: async () => false }
  const { jobs } = createDiscardedPictures({ store, avatars: works ? avatars : broken, metrics: gateway.metrics })
  return { run: async () => void (await Promise.all(jobs.map((job) => job.run()))) }
}

test('whoever takes a picture away notes it in the same transaction, and it is deleted once, later', async () => {
  const { token, userId } = await signIn(gateway, 'painter')
  const url = (await upload(gateway, token, await png())).body.data.avatar as string
  expect(await waiting()).toEqual([])
  // Any change of the column, here by hand: the process that would have deleted the picture never came to it.
  await rows('update users set avatar = null where id = $1', [userId])
  expect([await waiting(), (await kept()).length]).toEqual([[url], 1])

  await rows(
    "update discarded_pictures set due_at = clock_timestamp(), discarded_at = clock_timestamp() - interval '2 hours'",
  )
  await (await jobOf(false)).run()
  expect([await waiting(), (await kept()).length]).toEqual([[url], 1])
  expect(await gateway.metrics.registry.getSingleMetricAsString('gateway_discarded_pictures')).toContain(' 1')
  await (await jobOf(true)).run()
  expect(await waiting()).toEqual([url])

  await rows('update discarded_pictures set due_at = clock_timestamp()')
  await Promise.all([(await jobOf(true)).run(), (await jobOf(true)).run()])
  expect([await waiting(), await kept()]).toEqual([[], []])
})

test("a picture of somebody else, such as WeChat's, is never noted", async () => {
  const { userId } = await signIn(gateway, 'stranger')
  await rows('update users set avatar = $2 where id = $1', [userId, 'https://thirdwx.qlogo.cn/1'])
  await rows('update users set avatar = null where id = $1', [userId])
  expect(await waiting()).toEqual([])
})
