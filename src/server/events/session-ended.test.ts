/** Who is told of sessions that ended. */
import { expect, test } from 'vitest'
import { createSessionEnded, type EndedSession } from './session-ended.ts'

const session: EndedSession = { sid: 'sid', userId: 'user', statusIndex: 3, appid: 'wx1' }

test('a listener that fails stops neither the others nor the one who ended the session', () => {
  const told: unknown[] = []
  const errors: unknown[] = []
  const onSessionsEnded = createSessionEnded({
    listeners: [
      () => {
        throw new Error('full')
      },
      (ended, reason) => told.push([ended, reason]),
    ],
    onError: (error) => errors.push(error),
  })
  onSessionsEnded([session], 'logout')
  expect(told).toEqual([[[session], 'logout']])
  expect(errors).toEqual([new Error('full')])
})

test('nobody is told when no session ended', () => {
  const told: unknown[] = []
  createSessionEnded({ listeners: [(ended) => told.push(ended)], onError: () => undefined })([], 'logout')
  expect(told).toEqual([])
})
