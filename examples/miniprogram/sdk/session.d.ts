/** The signed-in user and their tokens: in memory, which is the truth of this page, and in storage, which outlives it. */
import { type Host } from './adapters.ts';
import type { TokenReply } from './wire.ts';
export type User = Pick<TokenReply, 'user_id' | 'nickname' | 'is_new_user'>;
export type Held = TokenReply & {
    /** When the reply arrived, by the phone's clock: only differences of that one clock are ever taken. */
    receivedAt: number;
    /** A server has refused this access token. */
    rejected?: boolean;
};
export declare const userOf: ({ user_id, nickname, is_new_user }: Held) => User;
export declare function createSession(parts: {
    host: () => Host;
    key: () => string;
    now: () => number;
    changed: (user: User | null) => void;
}): {
    sync: () => boolean | undefined;
    current: () => Held | undefined;
    user(): User | null;
    /** The tokens, where the access token has some life before it. */
    fresh: () => Held | undefined;
    /** The tokens, where the access token has any life at all. */
    alive: () => Held | undefined;
    keep(reply: TokenReply): Held;
    /** Signed out, and with `onPurpose` staying so until an explicit login. */
    forget(onPurpose?: boolean): void;
};
