/** The SDK's types against the gateway's schemas: it is the compiler that proves these, when `tsc` runs over this file. */
import { expectTypeOf, test } from 'vitest'
import type { z } from 'zod'
import type { ErrorCode } from '../../server/errors.ts'
import type { loginBody } from '../../server/login/routes.ts'
import type { eraseBody, exportSchema, receiptSchema } from '../../server/personal-data/routes.ts'
import type { profilePatchSchema } from '../../server/profile/profile.ts'
import type { phoneBody, profileSchema } from '../../server/profile/routes.ts'
import type { sessionItemSchema } from '../../server/sessions/routes.ts'
import type { tokenReplySchema } from '../../server/sessions/token-reply.ts'
import type {
  EraseRequest,
  ErasureReceipt,
  GatewayCode,
  LoginRequest,
  PhoneRequest,
  Profile,
  ProfilePatch,
  SessionItem,
  TokenReply,
  UserExport,
} from './wire.ts'

/** What JSON makes of a value: a date is its ISO text. */
type Json<Value> = Value extends Date
  ? string
  : Value extends (infer Item)[]
    ? Json<Item>[]
    : Value extends object
      ? { [Key in keyof Value]: Json<Value[Key]> }
      : Value

/** All of it on one level, so that `A & B` is what it says. */
type Flat<Value> = Value extends (infer Item)[]
  ? Flat<Item>[]
  : Value extends object
    ? { [Key in keyof Value]: Flat<Value[Key]> }
    : Value

test('the SDK knows every code the gateway answers with, and no other', () => {
  expectTypeOf<GatewayCode>().toEqualTypeOf<ErrorCode | '00000'>()
})

test('the types of replies are what the reply schemas say', () => {
  expectTypeOf<TokenReply>().toEqualTypeOf<z.output<typeof tokenReplySchema>>()
  expectTypeOf<Profile>().toEqualTypeOf<Json<z.output<typeof profileSchema>>>()
  expectTypeOf<SessionItem>().toEqualTypeOf<Json<z.output<typeof sessionItemSchema>>>()
  expectTypeOf<ErasureReceipt>().toEqualTypeOf<Json<z.output<typeof receiptSchema>>>()
  expectTypeOf<Flat<UserExport>>().toEqualTypeOf<Json<z.output<typeof exportSchema>>>()
})

test('whatever the types of requests allow, the schemas of bodies allow', () => {
  expectTypeOf<LoginRequest>().toExtend<z.input<typeof loginBody>>()
  expectTypeOf<ProfilePatch>().toExtend<z.input<typeof profilePatchSchema>>()
  expectTypeOf<EraseRequest>().toEqualTypeOf<z.input<typeof eraseBody>>()
  expectTypeOf<PhoneRequest>().toExtend<z.input<typeof phoneBody>>()
})

test('no member of a request is unknown to its schema', () => {
  expectTypeOf<Exclude<keyof LoginRequest, keyof z.input<typeof loginBody>>>().toBeNever()
  expectTypeOf<keyof ProfilePatch>().toEqualTypeOf<keyof z.input<typeof profilePatchSchema>>()
})
