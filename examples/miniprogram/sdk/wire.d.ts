/** The requests and replies of the mini program's face of the gateway, as types alone, so that server and client cannot drift apart. */
/** Every five-character code the gateway answers with; `00000` is success. */
export type GatewayCode = '00000' | 'A0202' | 'A0203' | 'A0220' | 'A0223' | 'A0230' | 'A0240' | 'A0312' | 'A0321' | 'A0322' | 'A0340' | 'A0400' | 'A0404' | 'A0413' | 'A0415' | 'A0427' | 'A0430' | 'A0501' | 'A0505' | 'A0506' | 'B0001' | 'B0210' | 'B0320' | 'C0001' | 'C0200' | 'C0401';
export type Success<Data> = {
    code: '00000';
    msg: string;
    data: Data;
};
/** `msg` may be shown to the user; `fields` comes with A0400 and says which field is wrong and why. */
export type Failure = {
    code: Exclude<GatewayCode, '00000'>;
    msg: string;
    data: null;
    request_id: string;
    fields?: Record<string, string>;
};
export type Envelope<Data> = Success<Data> | Failure;
/** The plain object of `wx.getUserInfo`, as the original client posts it. */
export type WechatUserInfo = {
    nickName?: string;
    avatarUrl?: string;
    gender?: number;
    city?: string;
    province?: string;
    country?: string;
    language?: string;
};
/** `POST /api/login`: with a code of the platform, or a ticket of `POST /api/tickets`. */
export type LoginRequest = {
    code?: string;
    ticket?: string;
    appid?: string;
    platform?: string;
    device?: string;
    userinfo?: WechatUserInfo;
    rawData?: string;
    signature?: string;
    encryptedData?: string;
    iv?: string;
};
/** `POST /api/tickets`: the client that it is for. */
export type TicketRequest = {
    appid: string;
};
/** The `data` of `POST /api/tickets`; `expires_in` in seconds. */
export type TicketReply = {
    ticket: string;
    expires_in: number;
};
/** `POST /api/refresh` */
export type RefreshRequest = {
    refresh_token: string;
};
/** `POST /api/logout`: the refresh token, or an empty object with a Bearer access token. */
export type LogoutRequest = {
    refresh_token?: string;
};
/** The `data` of a login and of a refresh. Both `expires_in` are in seconds from the moment of the reply. */
export type TokenReply = {
    token: string;
    token_type: 'Bearer';
    expires_in: number;
    refresh_token: string;
    refresh_expires_in: number;
    user_id: string;
    nickname: string | null;
    is_new_user: boolean;
};
/** `GET /api/user`, and the `data` of every request that changes it. Times are ISO 8601; `birthday` is an ISO date. */
export type Profile = {
    user_id: string;
    nickname: string | null;
    avatar: string | null;
    email: string | null;
    phone: string | null;
    birthday: string | null;
    sex: 'male' | 'female' | null;
    address: string | null;
    signature: string | null;
    roles: string[];
    created_at: string;
    last_login_at: string;
};
/** `PATCH /api/user`: what is given is set, null clears, what is left out stays. */
export type ProfilePatch = {
    [Field in 'nickname' | 'email' | 'birthday' | 'sex' | 'address' | 'signature']?: Profile[Field];
};
/** `POST /api/user/phone` */
export type PhoneRequest = {
    code: string;
} | {
    encryptedData: string;
    iv: string;
};
/** One line of `GET /api/sessions`. */
export type SessionItem = {
    sid: string;
    device: string | null;
    created_at: string;
    last_used_at: string;
    ip: string | null;
    /** The session that it was opened from by a ticket, and ends with. */
    parent_sid: string | null;
    /** The appid, or the id of a device or web page. */
    client_id: string;
    current: boolean;
};
/** `DELETE /api/user`: a fresh code of `wx.login`, as proof. */
export type EraseRequest = {
    code: string;
};
/** The `data` of `DELETE /api/user`. */
export type ErasureReceipt = {
    receipt_id: string;
    /** What stays about the erased user, why, and until when. */
    kept: {
        what: 'addresses' | 'audit';
        why: string;
        until: string;
    }[];
    user_id: string;
    erased_at: string;
    sessions_ended: number;
};
type PlatformIdentity = {
    platform: string;
    appid: string;
    openid: string;
    unionid: string | null;
};
/** The `data` of `GET /api/user/export`: everything that is kept about the user. Times are ISO 8601. */
export type UserExport = {
    profile: Profile & {
        status: 'active' | 'suspended' | 'erased';
        chosen_fields: string[];
        version: number;
        updated_at: string;
    };
    identities: (PlatformIdentity & {
        created_at: string;
    })[];
    unions: {
        union: string;
        unionid: string;
    }[];
    sessions: (PlatformIdentity & {
        sid: string;
        device: string | null;
        ip: string | null;
        created_at: string;
        refreshed_at: string;
        last_used_at: string;
        idle_expires_at: string;
        expires_at: string;
        ended_at: string | null;
        end_reason: string | null;
    })[];
    events: {
        at: string;
        kind: string;
        actor: string;
        sid: string | null;
        appid: string | null;
        ip: string | null;
        detail: Record<string, unknown> | null;
    }[];
};
export {};
