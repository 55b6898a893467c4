/** Production: turns on the cache of compiled code, which spares the next start a third of its memory, and the source maps of the bundle, then serves. */
import { enableCompileCache, setSourceMapsSupport } from 'node:module'

enableCompileCache()
setSourceMapsSupport(true)
await import('./server/serve/serve.ts')
