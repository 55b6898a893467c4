/** GET /avatars/…: pictures that are kept in a folder. On S3-compatible storage nobody asks the gateway for them. */
import { Hono } from 'hono'
import { z } from 'zod'
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

const segment = z.string()

/** The same for the API description. */
export const avatarDocuments = [
  {
    method: 'get',
    path: '/avatars/:year/:month/:name',
    tag: 'Documents',
    summary: 'A picture, under the URL that the profile names; it never changes.',
    access: 'public',
    params: z.object({ year: segment, month: segment, name: segment }),
    contentType: 'image/webp',
    reply: z.string().meta({ format: 'binary' }),
    alsoAnswers: { 404: 'No such picture, or the pictures are kept elsewhere' },
  },
] as const
