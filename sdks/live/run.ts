/** `node sdks/live/run.ts go java python node`: an example service in each language before a real gateway. README.md describes what a service must do. */

import { startGateway } from './gateway.ts'
import { endedSessions, outage, reasons, rotation, startedAlone } from './proofs.ts'
import { startLiveService } from './service.ts'

const languages = process.argv.slice(2)
if (languages.length === 0) {
  console.error('node sdks/live/run.ts LANGUAGE...    (go, java, python, node)')
  process.exit(2)
}

const gateway = await startGateway()
let failed = 0
for (const language of languages) failed += await prove(language)
await gateway.stop()
process.exit(failed === 0 ? 0 : 1)

async function prove(language: string): Promise<number> {
  let service: Awaited<ReturnType<typeof startLiveService>> | undefined
  try {
    service = await startLiveService(language, gateway.issuer)
    for (const proof of [reasons, rotation, endedSessions, outage, startedAlone]) {
      try {
        console.log(`${language}  ok    ${proof.name}: ${await proof({ gateway, service })}`)
      } catch (error) {
        throw new Error(`${proof.name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      }
    }
    return 0
  } catch (error) {
    console.log(`${language}  FAIL  ${error instanceof Error ? error.message : String(error)}`)
    await gateway.restart() // It may be down; the next language begins with one that is up.
    return 1
  } finally {
    await service?.stop()
  }
}
