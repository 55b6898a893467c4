/** The routes of both listeners as targets, for the tests that send what no client should. */
import { expect } from 'vitest'
import type { Gateway } from '../../server/gateway.ts'
import type { Route } from '../../server/http/route.ts'

export const ADMIN_SECRET = 'a'.repeat(40)

export type Target = Route & { listener: 'public' | 'internal' }
/** The routes are data: what is added later is attacked too. */
export async function forEachRoute(
  gateway: Pick<Gateway, 'routes'>,
  fits: (target: Target) => boolean,
  attack: (target: Target) => Promise<void>,
): Promise<void> {
  const targets = (['public', 'internal'] as const).flatMap((listener) =>
    gateway.routes[listener].map((route): Target => ({ ...route, listener })),
  )
  expect(targets.length).toBeGreaterThanOrEqual(3)
  for (const target of targets.filter(fits)) await attack(target)
}

export const pathOf = ({ path }: Route) => path.replaceAll(/:\w+/g, '00000000-0000-7000-8000-000000000000')

export const takesJson = ({ body }: Target) => body !== undefined
