/** Vitest's global setup for the tests on real PostgreSQL and real Redis: given ones by TEST_*_URL, else started here. */

import type { TestProject } from 'vitest/node'
import { startPostgres } from '../services/postgres.ts'
import { startRedis } from '../services/redis.ts'
import type { Service } from '../services/service.ts'

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string
    redisUrl: string
  }
}

export async function setup(project: Pick<TestProject, 'provide'>) {
  const started: Service[] = []
  const teardown = async () => {
    await Promise.all(started.map((service) => service.stop()))
  }
  const urlOf = async (given: string | undefined, start: () => Promise<Service>) => {
    if (given) return given
    const service = await start()
    started.push(service)
    return service.url
  }
  try {
    project.provide('databaseUrl', await urlOf(process.env.TEST_DATABASE_URL, startPostgres))
    project.provide('redisUrl', await urlOf(process.env.TEST_REDIS_URL, startRedis))
  } catch (error) {
    await teardown()
    throw error
  }
  return teardown
}
