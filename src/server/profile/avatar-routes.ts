/** PUT /api/user/avatar. */
import { actorOf } from '../http/context.ts'
import { type Route, route } from '../http/route.ts'
import { readUpload, type UploadDescription } from '../http/upload.ts'
import type { AvatarChanges } from './avatar.ts'
import { profileReply, profileSchema } from './routes.ts'

const upload: UploadDescription = {
  field: 'file',
  maxBytes: 2 * 1024 * 1024,
  accept: ['image/png', 'image/jpeg', 'image/webp', 'image/gif'],
}

export function avatarChangeRoutes({ changes }: { changes: AvatarChanges }): Route[] {
  return [
    route(
      {
        method: 'put',
        path: '/api/user/avatar',
        tag: 'Profile',
        summary: 'Change the own picture: it is cut down to 512×512 WebP and loses everything but its pixels.',
        access: 'user',
        upload,
        reply: profileSchema,
        errors: ['A0404'],
      },
      async ({ auth }, c) => profileReply(c, await changes.change(auth, () => readUpload(c, upload), actorOf(c))),
    ),
  ]
}
