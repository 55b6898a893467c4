/** `npm run dev`: reads the flags, looks whether everything is installed, and starts; what is wrong is told in one line. */
import { UsageError } from '../server/cli/command.ts'
import { help, readOptions } from './options.ts'

/** The program as it was asked for; ends it when it cannot be. */
async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  if (options.help) {
    console.log(help)
    return
  }
  if (process.env.NODE_ENV === 'production')
    throw new UsageError('npm run dev is for development only; in production use npm start.')
  const { startDevelopment } = await import('./development.ts')
  await startDevelopment(options)
}

/** What a person can mend, in a line; anything else is a defect and keeps its stack. */
function inOneLine(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if (['UsageError', 'ConfigError', 'FolderInUse', 'FolderUnusable', 'PortTaken'].includes(error.name))
    return error.message
  const missing = /^Cannot find package '([^']+)'/.exec(error.message)?.[1]
  return missing && `npm run dev needs the development dependencies, and ${missing} is not installed: run npm ci`
}

try {
  await main()
} catch (error) {
  const line = inOneLine(error)
  console.error(line ?? error)
  process.exit(1)
}
