/** better-auth doing the gateway's job, the way its documentation builds a plugin: exchange the code, find or create the user, session, token. */

import { serve } from '@hono/node-server'
import { betterAuth } from 'better-auth'
import { createAuthEndpoint } from 'better-auth/api'
import { getMigrations } from 'better-auth/db/migration'
import { jwt, signJWT } from 'better-auth/plugins'
import pg from 'pg'
import { Pool } from 'undici'

const { PORT, DATABASE_URL, DATABASE_POOL_MAX, WECHAT_API_BASE } = process.env
const upstream = new Pool(WECHAT_API_BASE, { connections: 256, headersTimeout: 5000, bodyTimeout: 5000 })
const database = new pg.Pool({ connectionString: DATABASE_URL, max: Number(DATABASE_POOL_MAX) })
const jwtOptions = { jwks: { keyPairConfig: { alg: 'ES256' } } }

const wechat = {
  id: 'wechat',
  endpoints: {
    wechatLogin: createAuthEndpoint('/wechat/login', { method: 'POST' }, async (ctx) => {
      const query = `appid=wxbench&secret=bench&js_code=${ctx.body.code}&grant_type=authorization_code`
      const reply = await upstream.request({ method: 'GET', path: `/sns/jscode2session?${query}` })
      const { openid } = JSON.parse(await reply.body.text())
      const store = ctx.context.internalAdapter
      const known = await store.findAccountOwnerByKey({ providerId: 'wechat', accountId: openid })
      const user = known?.user ?? (await createUser(store, openid))
      const session = await store.createSession(user.id)
      const payload = { iat: Math.floor(Date.now() / 1000), sub: user.id, sid: session.id }
      const token = await signJWT(ctx, { options: jwtOptions, payload })
      return ctx.json({
        code: '00000',
        msg: 'ok',
        data: { token, session: session.token, user_id: user.id, nickname: user.name },
      })
    }),
  },
}

async function createUser(store, openid) {
  const profile = { name: 'mini program user', email: `${openid}@wechat.invalid`, emailVerified: false }
  const { user } = await store.createOAuthUser(profile, { providerId: 'wechat', accountId: openid })
  return user
}

const auth = betterAuth({
  baseURL: `http://127.0.0.1:${PORT}`,
  secret: 'the secret of a benchmark, long enough for better-auth',
  database,
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [wechat, jwt(jwtOptions)],
})

await (await getMigrations(auth.options)).runMigrations()
// Its own migration leaves this out, and without it every login reads the whole table.
await database.query('create index if not exists account_key on account ("providerId", "accountId")')
serve({ fetch: auth.handler, hostname: '127.0.0.1', port: Number(PORT) })
