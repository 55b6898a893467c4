/** Production: turns on the cache of compiled code, which spares the next start a third of its memory, and serves. */
import { enableCompileCache } from 'node:module'

enableCompileCache()
await import('./server/serve/serve.ts')
