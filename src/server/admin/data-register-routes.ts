/** GET /admin/data-register: what is kept about people, column by column, as the database really is. */
import { z } from 'zod'
import { type Route, route } from '../http/route.ts'
import { keptElsewhere } from './data-elsewhere.ts'
import { bases, dataKinds, register } from './data-register.ts'
import type { DataRegisterStore } from './data-register-store.ts'

const entry = {
  kind: z.enum([...dataKinds, 'undescribed']),
  purpose: z.string(),
  basis: z.enum(bases).describe('PIPL article 13: consent, contract or legal duty; none: no personal data.'),
  retention: z.string(),
  recipients: z.string(),
}

export const dataRegisterRoutes = ({ store }: { store: DataRegisterStore }): Route[] => [
  route(
    {
      method: 'get',
      path: '/admin/data-register',
      tag: 'Operators: privacy',
      summary: 'The register of personal data: every column, its purpose, ground, retention and recipients.',
      access: 'admin-read',
      reply: z.object({
        columns: z.array(z.object({ table: z.string(), column: z.string(), ...entry })),
        elsewhere: z.array(z.object({ store: z.string(), what: z.string(), ...entry })),
      }),
    },
    async () => ({ columns: (await store.columns()).map(describe), elsewhere: [...keptElsewhere] }),
  ),
]

const described = new Map(register.map((one) => [`${one.table}.${one.column}`, one]))

/** A table or column of somebody's own is shown as well, as one that nobody has described. */
const describe = ({ table, column }: { table: string; column: string }) =>
  described.get(`${table}.${column}`) ?? {
    ...{ table, column, kind: 'undescribed' as const, basis: 'none' as const },
    ...{ purpose: 'not described', retention: 'not described', recipients: 'not described' },
  }
