/** GET /avatars/…: pictures that are kept in a folder. On S3-compatible storage nobody asks the gateway for them. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { type Route, route } from '../http/route.ts'
import { AVATAR_HEADERS } from './avatar-store.ts'
import type { Avatars } from './avatars.ts'

const headers = {
  ...AVATAR_HEADERS,
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; sandbox",
  'Cross-Origin-Resource-Policy': 'cross-origin',
}

const segment = z.string()

export const avatarRoutes = ({ avatars }: { avatars: Pick<Avatars, 'read'> }): Route[] => [
  route(
    {
      method: 'get',
      path: '/avatars/:year/:month/:name',
      tag: 'Documents',
      summary: 'A picture, under the URL that the profile names; it never changes.',
      access: 'public',
      document: true,
      params: z.object({ year: segment, month: segment, name: segment }),
      replies: {
        200: { 'image/webp': z.string().meta({ format: 'binary' }) },
        404: 'No such picture, or the pictures are kept elsewhere',
      },
    },
    async ({ params: { year, month, name } }) => {
      const webp = await avatars.read(`avatars/${year}/${month}/${name}`)
      if (!webp) throw new GatewayError('A0404', { note: 'no such picture' })
      return new Response(new Uint8Array(webp), { headers })
    },
  ),
]
