/* Mini-program SDK of the auth gateway. MIT. Built from src/sdk/miniprogram/miniprogram.ts; do not edit. */
var __defProp = Object.defineProperty;
var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __hasOwnProp = Object.prototype.hasOwnProperty;
var __export = (target, all) => {
  for (var name in all)
    __defProp(target, name, { get: all[name], enumerable: true });
};
var __copyProps = (to, from, except, desc) => {
  if (from && typeof from === "object" || typeof from === "function") {
    for (let key of __getOwnPropNames(from))
      if (!__hasOwnProp.call(to, key) && key !== except)
        __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
  }
  return to;
};
var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: true }), mod);

// src/sdk/miniprogram/miniprogram.ts
var miniprogram_exports = {};
__export(miniprogram_exports, {
  AuthError: () => AuthError,
  createAuth: () => createAuth
});
module.exports = __toCommonJS(miniprogram_exports);

// src/sdk/miniprogram/error.ts
var AuthError = class extends Error {
  constructor(code, msg, details = {}) {
    super(`${code} ${msg}`);
    Object.assign(this, details, { name: "AuthError", code, msg });
  }
};
var restate = (error, details, msg = error.msg) => new AuthError(error.code, msg, Object.assign({}, error, details));

// src/sdk/miniprogram/adapters.ts
var GRACE_MS = 3e3;
var SILENT_MS = 1e4;
var inTime = (ms, late, run) => new Promise((resolve) => {
  const timer = setTimeout(() => resolve(late), ms);
  run((value) => {
    clearTimeout(timer);
    resolve(value);
  });
});
function detect() {
  for (const global of [() => qq, () => tt, () => my, () => swan, () => ks, () => wx]) {
    const found = attempt(global);
    if (found) return found;
  }
  throw new AuthError("NO_PLATFORM", "不在小程序中");
}
function attempt(read) {
  try {
    return read();
  } catch (_) {
    return void 0;
  }
}
function adapt(given) {
  const api = given || detect();
  const alipay = "getAuthCode" in api;
  const run = (name, ...given2) => api[name].apply(api, given2);
  const call = (name, options, on = api) => inTime(
    (options.timeout || SILENT_MS) + GRACE_MS,
    { errMsg: `${name}:fail timeout` },
    (done) => {
      const answered = on[name].call(on, Object.assign({ success: done, fail: done }, options));
      Promise.resolve(answered).catch(done);
    }
  );
  const store = (verb, key, value) => alipay ? run(`${verb}StorageSync`, { key, data: value }) : run(`${verb}StorageSync`, key, value);
  const ask = (...names) => attempt(() => run(names.find((name) => api[name]))) || {};
  return {
    /** `force` lets Douyin show its sign-in box; a silent login must not, and tt.login's default is true. */
    async login(force, timeout) {
      const answer = await call(alipay ? "getAuthCode" : "login", { force, timeout, scopes: "auth_base" });
      const code = answer.code || answer.authCode;
      if (!code) throw new AuthError("LOGIN_FAILED", "登录失败", { body: answer.errMsg });
      return code;
    },
    /** Whether the platform still knows the session_key of its latest login; one without the call has no such key. */
    checkSession: () => !api.checkSession || inTime(SILENT_MS, false, (done) => run("checkSession", { success: () => done(true), fail: () => done(false) })),
    /** What WeChat fetched before the program ran; an empty text where there is none. */
    prefetched: async () => api.getBackgroundFetchData && (await call("getBackgroundFetchData", { fetchType: "pre" })).fetchedData || "",
    exclusive: (work) => api.exclusive ? run("exclusive", work) : work(),
    /** Resolves for every HTTP status, as wx.request does and my.request (error 19) does not. */
    async send(request) {
      const options = Object.assign({ headers: request.header }, request);
      const answer = await call("request", options);
      const statusCode = answer.statusCode || answer.status;
      if (!statusCode) {
        const timeout = /time.?out/i.test(answer.errMsg || "");
        throw new AuthError(timeout ? "TIMEOUT" : "NETWORK", "网络异常", { body: answer.errMsg });
      }
      return { statusCode, header: answer.header || answer.headers || {}, data: answer.data };
    },
    read(key) {
      const found = store("get", key);
      return alipay ? found.data : found;
    },
    write: (key, value) => store("set", key, value),
    remove: (key) => store("remove", key),
    async readFile(filePath) {
      const { data } = await call("readFile", { filePath }, run("getFileSystemManager"));
      if (!data) throw new AuthError("FILE", "无法读取文件");
      return data;
    },
    appid() {
      const about = ask("getAccountInfoSync", "getAppIdSync", "getEnvInfoSync");
      return (about.miniProgram || about.microapp || about).appId;
    },
    /** A name for the user's own list of sessions, such as "iPhone 15". */
    device() {
      const { model = "" } = ask("getDeviceInfo", "getSystemInfoSync");
      return model.slice(0, 100);
    }
  };
}

// src/sdk/miniprogram/fuse.ts
var LIMIT = 4;
var WINDOW_MS = 3e4;
var PAUSE_MS = 1e4;
var MAX_PAUSE_MS = 3e5;
function createFuse(now) {
  let started = [];
  let openUntil = 0;
  const tooMany = new AuthError("FUSE_OPEN", "操作过于频繁");
  let cause = tooMany;
  function open(reason, ms) {
    cause = reason;
    openUntil = now() + Math.min(ms, MAX_PAUSE_MS);
  }
  return {
    open,
    /**
     * Takes one renewal out of the budget, or throws while the fuse is open. What a person `asked` for is no storm: it is not counted,
     * and waits for the server's Retry-After alone.
     */
    enter(asked) {
      const at = now();
      started = started.filter((time) => time <= at && at - time < WINDOW_MS);
      if (!asked && started.length >= LIMIT) {
        started = started.slice(1);
        open(tooMany, PAUSE_MS);
      }
      const left = openUntil - at;
      if (left > 0 && left <= MAX_PAUSE_MS && !(asked && cause === tooMany)) {
        const retryAfter = Math.ceil(left / 1e3);
        const msg = cause === tooMany ? `${cause.msg}，请 ${retryAfter} 秒后再试` : cause.msg;
        throw restate(cause, { retryAfter }, msg);
      }
      if (!asked) started.push(at);
    },
    /** A renewal that never left the phone is no storm: being offline must not cost the first seconds of being online. */
    refund() {
      started.pop();
    }
  };
}

// src/sdk/miniprogram/http.ts
var MAX_WAIT_SECONDS = 5;
var originOf = (url) => (/^https?:\/\/[^/?#\\\s@]+(?=[/?#]|$)/i.exec(url) || [""])[0].toLowerCase();
function createTarget(baseURL, audiences) {
  const allowed = [baseURL, ...audiences].map(originOf).filter(Boolean);
  return (url) => {
    if (/^\/(?![/\\])/.test(url)) return baseURL + url;
    if (allowed.includes(originOf(url))) return url;
    throw new AuthError("FOREIGN_URL", "地址不允许");
  };
}
function header(reply, name) {
  const key = Object.keys(reply.header).find((candidate) => candidate.toLowerCase() === name);
  return key && reply.header[key] || "";
}
function unwrap(reply) {
  const { statusCode, data } = reply;
  const body = data || {};
  const wrapped = /^\w\d{4}$/.test(body.code) && "msg" in body;
  if (statusCode >= 200 && statusCode < 300) {
    if (!wrapped) return data;
    if (body.code === "00000") return body.data;
  }
  const details = {
    statusCode,
    requestId: body.request_id || header(reply, "x-request-id"),
    retryAfter: Number(header(reply, "retry-after")) || void 0,
    fields: body.fields,
    body: data
  };
  if (wrapped) throw new AuthError(body.code, `${body.msg}`, details);
  const expired = statusCode === 401 && /invalid_token/.test(header(reply, "www-authenticate"));
  throw new AuthError(expired ? "A0230" : `HTTP_${statusCode}`, "服务异常", details);
}
function waitFor(error, tries, lossIsHarmless) {
  const { code, statusCode, retryAfter } = error;
  const spread = 1e3 + Math.random() * 500;
  if (code === "NETWORK" || code === "TIMEOUT") return lossIsHarmless ? tries * 0.4 * spread : void 0;
  if (statusCode !== 429 && statusCode !== 503 && code !== "A0506") return void 0;
  const seconds = retryAfter || tries;
  return seconds > MAX_WAIT_SECONDS ? void 0 : seconds * spread;
}
var ascii = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));
function multipart(field, path, file) {
  const [, extension] = /\.(png|gif|webp|jpe?g)$/.exec(path.toLowerCase()) || [];
  const type = extension ? `image/${extension.replace("jpg", "jpeg")}` : "application/octet-stream";
  const boundary = `mp${Math.random().toString(36).slice(2)}`;
  const disposition = `form-data; name="${encodeURIComponent(field)}"; filename="file.${extension || "bin"}"`;
  const head = ascii(`--${boundary}\r
Content-Disposition: ${disposition}\r
Content-Type: ${type}\r
\r
`);
  const tail = ascii(`\r
--${boundary}--\r
`);
  const body = new Uint8Array(head.length + file.byteLength + tail.length);
  body.set(head);
  body.set(new Uint8Array(file), head.length);
  body.set(tail, head.length + file.byteLength);
  return { type: `multipart/form-data; boundary=${boundary}`, body: body.buffer };
}

// src/sdk/miniprogram/prefetch.ts
var MAX_AGE_MS = 6e4;
async function prefetchedLogin(host, now, userId) {
  try {
    const { code, data } = JSON.parse(await host.prefetched());
    const age = now() - data.at * 1e3;
    const whole = code === "00000" && data.token && data.refresh_token && data.user_id && data.expires_in > 0;
    if (!whole || !(Math.abs(age) < MAX_AGE_MS) || userId && userId !== data.user_id) return void 0;
    data.expires_in -= Math.ceil(Math.max(age, 0) / 1e3);
    delete data.at;
    return data;
  } catch (_) {
    return void 0;
  }
}

// src/sdk/miniprogram/session.ts
var MARGIN_MS = 6e4;
var userOf = ({ user_id, nickname, is_new_user }) => ({ user_id, nickname, is_new_user });
function createSession(parts) {
  let held;
  let loggedOut2;
  let loaded = false;
  const user = () => held ? userOf(held) : null;
  function store(value) {
    const write = () => {
      parts.host().write(parts.key(), value);
      return true;
    };
    if (!value || !attempt(write)) attempt(() => parts.host().remove(parts.key()));
  }
  function replace(next) {
    const before = JSON.stringify(user());
    held = next;
    if (JSON.stringify(user()) !== before) parts.changed(user());
  }
  function sync() {
    loaded = true;
    const found = attempt(() => parts.host().read(parts.key())) || {};
    loggedOut2 = loggedOut2 || !!found.loggedOut;
    if (loggedOut2) replace(void 0);
    else if (found.refresh_token && (!held || (found.receivedAt || 0) > held.receivedAt)) replace(found);
    return loggedOut2;
  }
  function current() {
    loaded || sync();
    return held;
  }
  function usable(share, marginMs) {
    const token = current();
    if (!token || token.rejected) return void 0;
    const lifeMs = token.expires_in * 1e3;
    const left = token.receivedAt + lifeMs - parts.now();
    return left <= lifeMs && left > Math.min(marginMs, lifeMs * share) ? token : void 0;
  }
  return {
    sync,
    current,
    user() {
      current();
      return user();
    },
    /** The tokens, where the access token has some life before it. */
    fresh: () => usable(1 / 4, MARGIN_MS),
    /** The tokens, where the access token has any life at all. */
    alive: () => usable(0, 0),
    keep(reply) {
      const next = Object.assign({ receivedAt: parts.now() }, reply);
      replace(next);
      store(next);
      return next;
    },
    /** Signed out, and with `onPurpose` staying so until an explicit login. */
    forget(onPurpose) {
      loaded = true;
      loggedOut2 = onPurpose;
      replace(void 0);
      store(onPurpose ? { loggedOut: onPurpose } : void 0);
    }
  };
}

// src/sdk/miniprogram/miniprogram.ts
var TRIES = 3;
var systemClock = { now: Date.now, sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) };
var ignore = () => void 0;
var loggedOut = () => new AuthError("LOGGED_OUT", "已退出登录");
var stale = () => new AuthError("A0240", "请再点一次");
function createAuth(options) {
  const baseURL = options.baseURL.replace(/\/+$/, "");
  const { audiences = [], timeoutMs: timeout = 1e4, clock: { now, sleep } = systemClock } = options;
  const target = createTarget(baseURL, audiences);
  const fuse = createFuse(now);
  const listeners = /* @__PURE__ */ new Set();
  let known;
  const host = () => {
    known = known || adapt(options.api);
    return known;
  };
  const appid = () => options.appid || host().appid();
  const session = createSession({
    now,
    host,
    key: () => `auth:${baseURL}:${appid()}`,
    // A listener's own mistake is its own: it must not break the login that it hears of.
    changed: (user) => listeners.forEach((listener) => void Promise.resolve(user).then(listener))
  });
  let flight;
  let blocked;
  let logouts = 0;
  let logins = 0;
  let prefetch = true;
  async function patiently(request2, replyMayBeLost, tries = 1) {
    try {
      return unwrap(await host().send(request2));
    } catch (error) {
      const wait = tries < TRIES ? waitFor(error, tries, replyMayBeLost) : void 0;
      if (wait === void 0) throw error;
      await sleep(wait);
      return patiently(request2, replyMayBeLost, tries + 1);
    }
  }
  const post = (path, data) => patiently({ url: baseURL + path, method: "POST", header: {}, data, timeout }, true);
  const endQuietly = (refresh2) => post("/api/logout", { refresh_token: refresh2 }).catch(ignore);
  async function exchange(how, again) {
    var _a;
    const wanted = prefetch && !Object.keys(how).length;
    prefetch = false;
    const early = wanted && await prefetchedLogin(host(), now, (_a = session.current()) == null ? void 0 : _a.user_id);
    if (early) {
      logins++;
      return early;
    }
    const code = how.code || (how.ticket ? void 0 : await host().login(!!how.force, timeout));
    const { platform, device = host().device() } = options;
    const body = Object.assign({ appid: appid(), platform, device: device || void 0 }, how, {
      code,
      force: void 0
    });
    try {
      const reply = await post("/api/login", JSON.parse(JSON.stringify(body)));
      logins++;
      return reply;
    } catch (error) {
      if (error.code !== "A0223" || again || how.code || how.ticket) throw error;
      return exchange(how, true);
    }
  }
  async function renew(fetchTokens, asked) {
    const begun = logouts;
    fuse.enter(asked);
    try {
      const reply = await fetchTokens();
      if ("receivedAt" in reply) return reply;
      if (logouts === begun) return session.keep(reply);
      void endQuietly(reply.refresh_token);
    } catch (error) {
      const { code, retryAfter } = error;
      if (code === "NETWORK" && !asked) fuse.refund();
      if (retryAfter) fuse.open(error, retryAfter * 1e3);
      if (logouts === begun && /A020[23]|A0321|LOGGED_OUT/.test(code)) {
        blocked = error;
        session.forget();
      }
      throw error;
    }
    throw loggedOut();
  }
  function fly(fetchTokens, asked) {
    const mine = host().exclusive(() => renew(fetchTokens, asked));
    const land = () => {
      if (flight === mine) flight = void 0;
    };
    flight = mine;
    mine.then(land, land);
    return mine;
  }
  async function refresh() {
    session.sync();
    const renewed = session.fresh();
    if (renewed) return renewed;
    const held = session.current();
    if (!held) return exchange({});
    return post("/api/refresh", { refresh_token: held.refresh_token }).catch((error) => {
      if (/A02[23]0/.test(error.code)) return exchange({});
      throw error;
    });
  }
  async function access() {
    let held = session.fresh();
    if (!held && !flight) {
      if (session.sync()) throw loggedOut();
      held = session.fresh();
      if (!held && blocked) throw blocked;
    }
    if (held) return held;
    return (flight || fly(refresh)).catch((error) => {
      held = session.alive();
      if (held) return held;
      throw error;
    });
  }
  async function login(how = {}, asked = false) {
    blocked = void 0;
    if (session.sync()) session.forget();
    const given = Object.keys(how).join();
    if (!given) return userOf(await access());
    const before = logins;
    while (flight) await flight.catch(ignore);
    const old = session.current();
    if (old && logins !== before && given === "force") return userOf(old);
    const held = await fly(() => exchange(how), asked);
    if (old && old.refresh_token !== held.refresh_token) void endQuietly(old.refresh_token);
    return userOf(held);
  }
  function signOut() {
    logouts++;
    flight = void 0;
    session.forget(true);
  }
  async function request(how, sameLogin, replay) {
    const url = target(how.url);
    const { data, responseType = "text", timeoutMs = timeout } = how;
    let { method = "GET" } = how;
    const held = await access();
    if (sameLogin !== void 0 && sameLogin !== logins) throw stale();
    const header2 = Object.assign({}, how.header, { Authorization: `Bearer ${held.token}` });
    if (method === "PATCH" || method === "DELETE" && data) {
      header2["X-HTTP-Method-Override"] = method;
      method = "POST";
    }
    const sent = { url, method, data, header: header2, responseType, timeout: timeoutMs };
    try {
      const answer = await patiently(sent, false, method === "GET" ? 1 : TRIES);
      if (how.method === "DELETE" && url === `${baseURL}/api/user`) signOut();
      return answer;
    } catch (error) {
      if (replay || error.code !== "A0230" || error.statusCode !== 401) throw error;
      held.rejected = true;
      return request(how, sameLogin, true);
    }
  }
  return {
    login: (how) => login(how, true),
    request: (how) => request(how),
    async upload(how) {
      const { filePath, url = "/api/user/avatar", method = "PUT", name = "file", timeoutMs = 6e4 } = how;
      const { type, body } = multipart(name, filePath, await host().readFile(filePath));
      return request({ url, method, data: body, header: { "Content-Type": type }, timeoutMs });
    },
    async prepareEncryptedData() {
      const valid = session.sync() || !session.user() || await host().checkSession();
      await (valid ? access() : login({ force: true }));
    },
    async bindPhone(event) {
      const { code, encryptedData, iv, errMsg } = event.detail;
      if (!code && !encryptedData) throw new AuthError("PHONE_REFUSED", "未获得手机号", { body: errMsg });
      const before = logins;
      const data = code ? { code } : { encryptedData, iv };
      try {
        if (!code && !await host().checkSession()) throw stale();
        return await request({ url: "/api/user/phone", method: "POST", data }, code ? void 0 : before);
      } catch (error) {
        const failed = error.code;
        if (failed === "A0240" && logins === before) await login({ force: true });
        throw /A02(40|23)/.test(failed) ? restate(error, { tapAgain: true }) : error;
      }
    },
    ticket: (data) => request({ url: "/api/tickets", method: "POST", data }),
    async token(not) {
      const held = session.current();
      if (held && held.token === not) held.rejected = true;
      return (await access()).token;
    },
    async logout() {
      const old = session.current();
      signOut();
      if (old) await endQuietly(old.refresh_token);
    },
    user: session.user,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    }
  };
}
