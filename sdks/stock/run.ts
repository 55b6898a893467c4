/** `node sdks/stock/run.ts go-oidc golang-jwt authlib jsonwebtoken spring-security jose4j`: services on libraries that know nothing of this gateway, before a real one. */

import { readFileSync } from 'node:fs'
import { type LiveGateway, startGateway } from '../live/gateway.ts'
import { rotation } from '../live/proofs.ts'
import { startLiveService } from '../live/service.ts'
import { answers, endedSession, outage, startedAlone } from './proofs.ts'

const libraries = process.argv.slice(2)
if (libraries.length === 0) {
  console.error(
    'node sdks/stock/run.ts LIBRARY...    (go-oidc, golang-jwt, authlib, jsonwebtoken, spring-security, jose4j)',
  )
  process.exit(2)
}

// The gateway's keys are cacheable for 4 s here instead of 300, and published 8 s ahead instead of a day: so are the services' caches shorter.
const SERVICE_SETTINGS = { CACHE_SECONDS: '4' }

const gateways = new Map<string, LiveGateway>()
let failed = 0
for (const library of libraries) failed += await prove(library)
for (const gateway of gateways.values()) await gateway.stop()
process.exit(failed === 0 ? 0 : 1)

/** A gateway with the settings that a library cannot do without (`gateway` in its live.json); the same for all that need none. */
async function gatewayFor(library: string): Promise<LiveGateway> {
  const file = new URL(`./${library}/live.json`, import.meta.url)
  const { gateway: settings = {} } = JSON.parse(readFileSync(file, 'utf8')) as { gateway?: Record<string, string> }
  const name = JSON.stringify(settings)
  const gateway = gateways.get(name) ?? (await startGateway(settings))
  gateways.set(name, gateway)
  return gateway
}

async function prove(library: string): Promise<number> {
  const gateway = await gatewayFor(library)
  let service: Awaited<ReturnType<typeof startLiveService>> | undefined
  try {
    service = await startLiveService(`stock/${library}`, gateway.issuer, SERVICE_SETTINGS)
    for (const proof of [answers, rotation, endedSession, outage, startedAlone]) {
      try {
        console.log(`${library}  ok    ${proof.name}: ${await proof({ gateway, service })}`)
      } catch (error) {
        throw new Error(`${proof.name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      }
    }
    return 0
  } catch (error) {
    console.log(`${library}  FAIL  ${error instanceof Error ? error.message : String(error)}`)
    await gateway.restart() // It may be down; the next library begins with one that is up.
    return 1
  } finally {
    await service?.stop()
  }
}
