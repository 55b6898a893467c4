/** Prints a declarative configuration for Kong OSS, which knows no JWKS: one credential for each key published at present. */
import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { stringify } from 'yaml'

const { ISSUER = 'http://localhost:8080', SERVICE_URL = 'http://127.0.0.1:3001' } = process.env

const reply = await fetch(`${ISSUER}/.well-known/jwks.json`, { signal: AbortSignal.timeout(5000) })
if (!reply.ok) throw new Error(`the JWKS is answered ${reply.status}`)
const { keys } = (await reply.json()) as { keys: (JsonWebKey & { kid: string; alg: string })[] }

const config = {
  _format_version: '3.0',
  services: [
    {
      name: 'orders',
      url: SERVICE_URL,
      routes: [{ name: 'orders', paths: ['/orders'], strip_path: false }],
      // The plugin finds the key by the token's kid and checks exp; iss and aud are left to the service.
      plugins: [{ name: 'jwt', config: { key_claim_name: 'kid', claims_to_verify: ['exp'] } }],
    },
  ],
  consumers: [
    {
      username: 'mini-program',
      jwt_secrets: keys.map((key) => ({
        key: key.kid,
        algorithm: key.alg,
        // The name is historical: any public key in PEM.
        rsa_public_key: createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString(),
      })),
    },
  ],
}
process.stdout.write(stringify(config))
