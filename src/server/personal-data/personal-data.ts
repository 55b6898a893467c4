/** Users' rights over their own data, put together: to have a copy and to have it erased. */
import type { Route } from '../http/route.ts'
import type { Database } from '../storage/database.ts'
import { createErase, type EraseParts } from './erasure.ts'
import { createExport } from './export.ts'
import { personalDataRoutes } from './routes.ts'
import { createPersonalDataStore } from './store.ts'

export type PersonalDataParts = Omit<EraseParts, 'store'> & { database: Database }

export function createPersonalData({ database, ...parts }: PersonalDataParts): { routes: Route[] } {
  const store = createPersonalDataStore(database)
  return {
    routes: personalDataRoutes({ exportData: createExport({ store }), erase: createErase({ store, ...parts }) }),
  }
}
