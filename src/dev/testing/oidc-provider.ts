/** A small OpenID provider on loopback for the console's tests: code flow with PKCE, keys and ID tokens by jose; whoever comes is signed in. */
import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { listen } from '../../server/serve/listeners.ts'

export const OIDC_CLIENT = { id: 'console', secret: 'console-client-secret' }

type Asked = { challenge: string; nonce: string; redirectUri: string; mustAsk: boolean }
export type OidcPerson = Record<string, unknown> & { sub: string }

export async function startOidcProvider() {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }]
  const codes = new Map<string, Asked>()
  const app = new Hono()
  let issuer = ''
  const state = {
    person: { sub: 'nobody' } as OidcPerson,
    /** How long ago the password was asked for. */
    authAgeSeconds: 3600,
    /** Spoils the ID token. */
    claims: {} as Record<string, unknown>,
    asked: [] as URLSearchParams[],
  }

  app.get('/.well-known/openid-configuration', (c) =>
    c.json({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
    }),
  )
  app.get('/jwks', (c) => c.json({ keys }))
  app.get('/authorize', (c) => {
    const asked = new URL(c.req.url).searchParams
    state.asked.push(asked)
    const code = `code-${codes.size + 1}`
    const redirectUri = asked.get('redirect_uri') ?? ''
    codes.set(code, {
      challenge: asked.get('code_challenge') ?? '',
      nonce: asked.get('nonce') ?? '',
      redirectUri,
      mustAsk: asked.get('prompt') === 'login',
    })
    const back = new URL(redirectUri)
    back.searchParams.set('code', code)
    back.searchParams.set('state', asked.get('state') ?? '')
    return c.redirect(back.href)
  })
  app.post('/token', async (c) => {
    const form = new URLSearchParams(await c.req.text())
    const code = form.get('code') ?? ''
    const asked = codes.get(code)
    codes.delete(code)
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    const fits =
      asked?.challenge === challenge &&
      asked.redirectUri === form.get('redirect_uri') &&
      form.get('client_id') === OIDC_CLIENT.id &&
      form.get('client_secret') === OIDC_CLIENT.secret
    if (!fits) return c.json({ error: 'invalid_grant' }, 400)
    const now = Math.floor(Date.now() / 1000)
    const authTime = asked.mustAsk ? now : now - state.authAgeSeconds
    const own = { iss: issuer, aud: OIDC_CLIENT.id, nonce: asked.nonce, auth_time: authTime }
    // A test may spoil any of them.
    const claims = { ...own, ...state.person, ...state.claims }
    const idToken = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey)
    return c.json({ access_token: 'unused', token_type: 'Bearer', expires_in: 300, id_token: idToken })
  })

  const listener = await listen(app, { host: '127.0.0.1', port: 0 })
  issuer = listener.url
  return { issuer, state, close: () => listener.close(0) }
}

export const oidcEnvironment = (issuer: string, origin: string) => ({
  CONSOLE_ORIGIN: origin,
  CONSOLE_OIDC_ISSUER: issuer,
  CONSOLE_OIDC_CLIENT_ID: OIDC_CLIENT.id,
  CONSOLE_OIDC_CLIENT_SECRET: OIDC_CLIENT.secret,
  CONSOLE_OIDC_ROLE_CLAIM: 'realm_access.roles',
})
