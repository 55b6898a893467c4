/** `npm run mutants`: breaks the gateway on purpose and looks whether its tests notice. */
import { parseArgs } from 'node:util'
import { runOwnList } from './own-list.ts'

const { values } = parseArgs({ options: { list: { type: 'boolean' }, only: { type: 'string' } } })
process.exitCode = runOwnList(values.only) ? 0 : 1
