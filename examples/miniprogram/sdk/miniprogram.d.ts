import type { Auth, AuthOptions } from './options.ts';
export type { MiniProgramApi } from './adapters.ts';
export { AuthError, type AuthErrorCode } from './error.ts';
export type * from './options.ts';
export type { User } from './session.ts';
export type * from './wire.ts';
export declare function createAuth(options: AuthOptions): Auth;
