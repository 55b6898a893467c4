/** What the SDK takes and gives, as types alone. */
import type { MiniProgramApi } from './adapters.ts';
import type { User } from './session.ts';
import type { LoginRequest, Profile, TicketReply, TicketRequest } from './wire.ts';
export type Clock = {
    now(): number;
    sleep(ms: number): Promise<void>;
};
export type AuthOptions = {
    /** Where the gateway is, e.g. `https://auth.example.com`; a path is allowed. */
    baseURL: string;
    /** Origins of the business servers that may be sent the access token, e.g. `https://api.example.com`. */
    audiences?: string[];
    /** The platform's global; by default the one that is there. Give `uni` or `Taro` to go through those. */
    api?: MiniProgramApi;
    /** By default asked of the platform. */
    appid?: string;
    /** The platform's name at the gateway, needed only where one appid exists on two platforms. */
    platform?: string;
    /** What the user's list of sessions shows; by default model and system. An empty string sends nothing. */
    device?: string;
    /** For one try of one request, in milliseconds. */
    timeoutMs?: number;
    /** For tests. */
    clock?: Clock;
};
export type LoginOptions = Partial<Pick<LoginRequest, 'code' | 'ticket' | 'userinfo' | 'rawData' | 'signature' | 'encryptedData' | 'iv'>> & {
    force?: boolean;
};
export type RequestOptions = {
    /** A path at the gateway (`/api/user`), or a full URL at the gateway or one of the `audiences`. */
    url: string;
    method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD' | 'OPTIONS';
    data?: unknown;
    header?: Record<string, string>;
    responseType?: 'text' | 'arraybuffer';
    timeoutMs?: number;
};
export type UploadOptions = Pick<RequestOptions, 'timeoutMs'> & {
    filePath: string;
    url?: string;
    method?: 'PUT' | 'POST';
    name?: string;
};
/** The event of `<button open-type="getPhoneNumber">`. */
export type PhoneEvent = {
    detail: {
        code?: string;
        encryptedData?: string;
        iv?: string;
        errMsg?: string;
    };
};
export type Auth = {
    /** Makes sure of a session, silently. With `force`, or with data for the login, always exchanges a new code. */
    login(options?: LoginOptions): Promise<User>;
    /** Resolves with the envelope's `data`, or the body of a server without envelopes; rejects with AuthError, for HTTP errors too. */
    request<Data = unknown>(options: RequestOptions): Promise<Data>;
    /** Sends one file as multipart/form-data; by default as the user's avatar. */
    upload<Data = Profile>(options: UploadOptions): Promise<Data>;
    /** Call on entering a page with encrypted data, before the user taps: the session_key is then the one WeChat uses. Undoes no logout. */
    prepareEncryptedData(): Promise<void>;
    /** Stores the phone number of the button's event. An error with `tapAgain` needs nothing but the user's next tap. */
    bindPhone(event: PhoneEvent): Promise<Profile>;
    /** A ticket by which another client (an H5 page in `web-view`) logs in as this user, once within a minute. */
    ticket(request: TicketRequest): Promise<TicketReply>;
    /** An access token with some life before it, for what `request` cannot send, such as a socket's. `not`: one that was refused. */
    token(not?: string): Promise<string>;
    /** Ends this session. Until the next `login()`, requests reject with LOGGED_OUT instead of logging in silently. */
    logout(): Promise<void>;
    user(): User | null;
    /** Called whenever `user()` changes; returns the way to stop it. */
    onChange(listener: (user: User | null) => void): () => void;
};
