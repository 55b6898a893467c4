/** Operators on users: search, read, suspend and reinstate, give roles, end sessions, erase. */
import { z } from 'zod'
import type { Audit } from '../audit/audit.ts'
import type { Clock } from '../clock.ts'
import { GatewayError, invalidField, type Words } from '../errors.ts'
import { operatorOf } from '../http/context.ts'
import { addressParameter, limitParameter, pageOf, searchWord, toPage } from '../http/paging.ts'
import { type Route, route } from '../http/route.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { externalIdSchema, ownClaimsBody } from '../users/own-claims.ts'
import { profileFields, profileFieldsOf } from '../users/profile-fields.ts'
import type { Users } from '../users/users.ts'
import type { AdminStore } from './store.ts'

const status = z.enum(['active', 'suspended', 'erased'])
const userLineSchema = z
  .object({
    user_id: z.string(),
    status,
    nickname: z.string().nullable(),
    phone: z.string().nullable(),
    roles: z.array(z.string()),
    external_id: z.string().nullable(),
    created_at: z.date(),
    last_login_at: z.date(),
  })
  .meta({ id: 'AdminUserLine' })

const userSchema = userLineSchema
  .extend({
    ...profileFields.shape,
    claims: z.record(z.string(), z.unknown()).nullable().describe('The user’s own claims: `ext` in tokens.'),
    suspended_at: z.date().nullable(),
    suspend_reason: z.string().nullable(),
    suspended_by: z.string().nullable().describe('As the audit trail names who did it.'),
    erased_at: z.date().nullable(),
    identities: z.array(
      z.object({
        platform: z.string(),
        appid: z.string(),
        openid: z.string(),
        unionid: z.string().nullable(),
        created_at: z.date(),
      }),
    ),
    sessions: z
      .array(
        z.object({
          sid: z.string(),
          parent_sid: z.string().nullable().describe('The session that it was opened from, and ends with.'),
          platform: z.string(),
          appid: z.string(),
          device: z.string().nullable(),
          ip: z.string().nullable(),
          created_at: z.date(),
          last_used_at: z.date(),
        }),
      )
      .describe('Those that live.'),
  })
  .meta({ id: 'AdminUser' })

/** Kept for good in the audit trail: no place for what is personal. */
const reasonBody = z
  .strictObject({ reason: z.string().min(1).max(200).optional().describe('Kept in the audit trail.') })
  .optional()

const changedUserSchema = userSchema
  .extend({ changed: z.boolean().describe('false: the user was so before, and who did it then and why stays.') })
  .meta({ id: 'AdminUserChange' })

const saying = (unchanged: Words) => (data: unknown) =>
  (data as { changed: boolean }).changed ? { zh: '成功', en: 'ok' } : unchanged

/** A role is text in a claim and in the header X-Auth-Roles, whose separator is the comma. */
const role = z.string().regex(/^[A-Za-z0-9_.:/-]{1,64}$/, 'letters, digits and _.:/- only')

const params = z.object({ id: z.guid() })

export type AdminUserRoutesParts = {
  store: AdminStore
  users: Users
  sessions: Pick<Sessions, 'list' | 'end'>
  audit: Audit
  clock: Clock
}

export function adminUserRoutes({ store, users, sessions, audit, clock }: AdminUserRoutesParts): Route[] {
  const common = { tag: 'Operators: users', access: 'admin' } as const
  const found = <Result>(result: Result): NonNullable<Result> => {
    if (!result) throw new GatewayError('A0404', { note: 'no such user, or it was erased' })
    return result
  }

  async function read(id: string): Promise<z.input<typeof userSchema>> {
    const { user, identities } = found(await store.readUser(id))
    const live = await sessions.list(id)
    return {
      ...toLine(user),
      ...profileFieldsOf(user),
      claims: user.claims as z.input<typeof userSchema>['claims'],
      suspended_at: user.suspended_at,
      suspend_reason: user.suspend_reason,
      suspended_by: user.suspended_by,
      erased_at: user.erased_at,
      identities,
      sessions: live.map(({ id: sid, parent_id: parent_sid, ...rest }) => ({ sid, parent_sid, ...rest })),
    }
  }

  return [
    route(
      {
        ...common,
        method: 'get',
        path: '/admin/users',
        access: 'admin-read',
        summary:
          'Search users by id, status, openid, unionid, external id, phone, address or the beginning of a nickname; the newest first.',
        query: z.strictObject({
          id: z.guid().optional(),
          status: status.optional(),
          openid: searchWord(128).optional(),
          unionid: searchWord(128).optional(),
          external_id: externalIdSchema.optional(),
          phone: searchWord(32).optional().describe('E.164, the plus as %2B.'),
          ip: addressParameter.optional().describe('From which they did something that is in the audit trail.'),
          nickname: searchWord(50).optional().describe('The beginning of it, in any case of letters.'),
          limit: limitParameter,
          cursor: z.guid('is not a cursor of this list').optional(),
        }),
        reply: pageOf(userLineSchema),
      },
      async ({ query: { nickname, cursor, limit, ...exact }, auth }, c) => {
        // What was searched by, and not what for: that may be personal, and the trail is kept.
        const by = Object.keys({ ...exact, ...(nickname === undefined ? {} : { nickname }) }).sort()
        audit.record({ kind: 'users_searched', at: clock.now(), actor: operatorOf(c, auth), detail: { by } })
        const search = { ...exact, nickname_prefix: nickname, after: cursor, limit: limit + 1 }
        return toPage(await store.searchUsers(search), limit, { item: toLine, cursor: ({ id }) => id })
      },
    ),
    route(
      {
        ...common,
        method: 'get',
        path: '/admin/users/:id',
        access: 'admin-read',
        summary: 'One user: profile, platform identities and live sessions.',
        params,
        reply: userSchema,
      },
      async ({ params: { id }, auth }, c) => {
        const user = await read(id)
        audit.record({ kind: 'user_read', at: clock.now(), actor: operatorOf(c, auth), user_id: id })
        return user
      },
    ),
    route(
      {
        ...common,
        method: 'post',
        path: '/admin/users/:id/suspend',
        summary: 'Suspend a user: every session ends, no login and no refresh until reinstated.',
        params,
        body: reasonBody,
        reply: changedUserSchema,
        message: saying({ zh: '用户早已停用，未作更改', en: 'The user was suspended before; nothing was changed.' }),
      },
      async ({ params: { id }, body, auth }, c) => {
        const done = found(await users.suspend(id, operatorOf(c, auth), body?.reason?.trim()))
        return { ...(await read(id)), changed: done === 'changed' }
      },
    ),
    route(
      {
        ...common,
        method: 'post',
        path: '/admin/users/:id/reinstate',
        summary: 'Let a suspended user log in again. Sessions that ended stay ended.',
        params,
        body: reasonBody,
        reply: changedUserSchema,
        message: saying({ zh: '用户未被停用，未作更改', en: 'The user is not suspended; nothing was changed.' }),
      },
      async ({ params: { id }, body, auth }, c) => {
        const done = found(await users.reinstate(id, operatorOf(c, auth), body?.reason?.trim()))
        return { ...(await read(id)), changed: done === 'changed' }
      },
    ),
    route(
      {
        ...common,
        method: 'put',
        path: '/admin/users/:id/roles',
        summary: 'Replace the roles of a user; every token from the next login or refresh on has them.',
        params,
        body: z.strictObject({ roles: z.array(role).max(32) }),
        reply: userSchema,
      },
      async ({ params: { id }, body, auth }, c) => {
        found(await users.setRoles(id, body.roles, operatorOf(c, auth)))
        return await read(id)
      },
    ),
    route(
      {
        ...common,
        method: 'put',
        path: '/admin/users/:id/claims',
        summary:
          'Replace the user’s own claims: the body, or its member `claims`. Every token from the next login or refresh on has them under `ext`; null: none.',
        params,
        body: ownClaimsBody,
        reply: userSchema,
      },
      async ({ params: { id }, body, auth }, c) => {
        found(await users.setClaims(id, body, operatorOf(c, auth)))
        return await read(id)
      },
    ),
    route(
      {
        ...common,
        method: 'put',
        path: '/admin/users/:id/external-id',
        summary:
          'Set the id by which another system knows the user, unique and in every token from then on. null: none.',
        params,
        body: z.strictObject({ external_id: externalIdSchema.nullable() }),
        reply: userSchema,
      },
      async ({ params: { id }, body, auth }, c) => {
        const done = found(await users.setExternalId(id, body.external_id, operatorOf(c, auth)))
        if (done === 'taken') throw invalidField('external_id', 'belongs to another user')
        return await read(id)
      },
    ),
    route(
      {
        ...common,
        method: 'delete',
        path: '/admin/users/:id/sessions',
        summary: 'End every session of a user.',
        params,
        reply: z.object({ ended: z.number().int() }),
      },
      async ({ params: { id }, auth }, c) => {
        found(await store.readUser(id))
        return { ended: await sessions.end({ userId: id }, 'ended_by_operator', operatorOf(c, auth)) }
      },
    ),
    route(
      {
        ...common,
        method: 'delete',
        path: '/admin/users/:id/sessions/:sid',
        summary: 'End one session of a user.',
        params: params.extend({ sid: z.guid() }),
        reply: z.object({ ended: z.number().int() }),
      },
      async ({ params: { id, sid }, auth }, c) => {
        const ended = await sessions.end({ userId: id, only: sid }, 'ended_by_operator', operatorOf(c, auth))
        if (ended === 0) throw new GatewayError('A0404', { note: 'no such live session of this user' })
        return { ended }
      },
    ),
    route(
      {
        ...common,
        method: 'delete',
        path: '/admin/users/:id',
        summary: 'Erase a user: nothing personal stays, every session ends. A later login makes a new user.',
        params,
        reply: z.object({
          receipt_id: z.string().describe('Of `GET /api/erasures/{receipt}`.'),
          user_id: z.string(),
          erased_at: z.date(),
          sessions_ended: z.number().int(),
        }),
      },
      async ({ params: { id }, auth }, c) => {
        const { receiptId, userId, at, ended } = found(await users.erase(id, operatorOf(c, auth)))
        return { receipt_id: receiptId, user_id: userId, erased_at: at, sessions_ended: ended.length }
      },
    ),
  ]
}

type UserLine = Awaited<ReturnType<AdminStore['searchUsers']>>[number]

const toLine = ({ id, status, nickname, phone, roles, external_id, created_at, last_login_at }: UserLine) => ({
  user_id: id,
  status,
  nickname,
  phone,
  roles,
  external_id,
  created_at,
  last_login_at,
})
