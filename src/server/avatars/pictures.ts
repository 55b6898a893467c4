/** Pictures put together: kept and removed, served from a folder, and deleted later where that failed. */
import type { Config } from '../config/config.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Database } from '../storage/database.ts'
import { type AvatarsParts, createAvatars } from './avatars.ts'
import { createDiscardedPictures } from './discarded.ts'
import { avatarRoutes } from './routes.ts'
import { createDiscardedPictureStore } from './store.ts'

export type PicturesParts = Omit<AvatarsParts, 'config'> & {
  config: Pick<Config, 'avatarStore'>
  database: Database
  metrics: Pick<Metrics, 'discardedPictures'>
}

export async function createPictures({ config, database, metrics, ...parts }: PicturesParts) {
  const avatars = await createAvatars({ ...parts, config: config.avatarStore })
  const discarded = createDiscardedPictureStore(database)
  const { jobs } = createDiscardedPictures({ store: discarded, avatars, metrics })
  return { avatars, discarded, jobs, routes: avatarRoutes({ avatars }) }
}
