/** GET /avatars/…: pictures that are kept in a folder. On S3-compatible storage nobody asks the gateway for them. */
import { Hono } from 'hono'
import { AVATAR_HEADERS } from './avatar-store.ts'
import type { Avatars } from './avatars.ts'

const headers = {
  ...AVATAR_HEADERS,
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; sandbox",
  'Cross-Origin-Resource-Policy': 'cross-origin',
}

export function avatarRoutes({ avatars }: { avatars: Pick<Avatars, 'read'> }): Hono {
  const app = new Hono()
  app.get('/avatars/:year/:month/:name', async (c) => {
    const { year, month, name } = c.req.param()
    const webp = await avatars.read(`avatars/${year}/${month}/${name}`)
    return webp ? new Response(new Uint8Array(webp), { headers }) : c.notFound()
  })
  return app
}
