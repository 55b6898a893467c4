/** A user's copy of their own data (PIPL article 45). */
import { GatewayError } from '../errors.ts'
import type { PersonalDataStore } from './store.ts'

export type PersonalData = NonNullable<Awaited<ReturnType<PersonalDataStore['personalDataOf']>>>

/** Everything that is kept, but for the session_key, which is the platform's secret. Throws A0203. */
export type Export = (userId: string) => Promise<PersonalData>

export function createExport({ store }: { store: PersonalDataStore }): Export {
  return async (userId) => {
    const data = await store.personalDataOf(userId)
    if (!data) throw new GatewayError('A0203')
    return data
  }
}
