type Callbacks<Result> = {
    success?(result: Result): void;
    fail?(reason: {
        errMsg: string;
    }): void;
};
/** The part of `wx` (or `uni`, `Taro`, `tt`, `qq`, `my`, `swan`, `ks`) that the SDK touches. */
export type MiniProgramApi = {
    request(options: HostRequest & Callbacks<{
        statusCode: number;
        header: object;
        data: unknown;
    }>): unknown;
    login?(options: {
        timeout?: number;
    } & Callbacks<{
        code: string;
    }>): unknown;
    checkSession?(options: Callbacks<unknown>): unknown;
    getStorageSync(key: string): unknown;
    setStorageSync(key: string, value: unknown): void;
    removeStorageSync(key: string): void;
    getAccountInfoSync?(): {
        miniProgram: {
            appId: string;
        };
    };
    getBackgroundFetchData?(options: {
        fetchType: 'pre';
    } & Callbacks<{
        fetchedData: string;
    }>): unknown;
    /** Of a browser: runs the work while no other page of its origin does. */
    exclusive?<Result>(work: () => Promise<Result>): Promise<Result>;
    getFileSystemManager?(): {
        readFile(options: {
            filePath: string;
        } & Callbacks<{
            data: string | ArrayBuffer;
        }>): void;
    };
};
export type HostRequest = {
    url: string;
    method?: string;
    data?: unknown;
    header?: object;
    timeout?: number;
    responseType?: string;
};
export type HostReply = {
    statusCode: number;
    header: Record<string, string>;
    data: unknown;
};
export type Host = ReturnType<typeof adapt>;
/** For what may not be there, or be refused by the user, and must not stop a login. */
export declare function attempt<Value>(read: () => Value): Value | undefined;
export declare function adapt(given: MiniProgramApi | undefined): {
    /** `force` lets Douyin show its sign-in box; a silent login must not, and tt.login's default is true. */
    login(force: boolean, timeout: number): Promise<string>;
    /** Whether the platform still knows the session_key of its latest login; one without the call has no such key. */
    checkSession: () => boolean | Promise<boolean>;
    /** What WeChat fetched before the program ran; an empty text where there is none. */
    prefetched: () => Promise<string>;
    exclusive: <Result>(work: () => Promise<Result>) => Promise<Result>;
    /** Resolves for every HTTP status, as wx.request does and my.request (error 19) does not. */
    send(request: HostRequest): Promise<HostReply>;
    read(key: string): unknown;
    write: (key: string, value: unknown) => unknown;
    remove: (key: string) => unknown;
    readFile(filePath: string): Promise<ArrayBuffer>;
    appid(): string | undefined;
    /** A name for the user's own list of sessions, such as "iPhone 15". */
    device(): string;
};
export {};
