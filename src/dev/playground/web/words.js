/** Every word of the page in Chinese and English, and the one way they get onto it. */

const words = {
  title: ['小程序登录演练场', 'Mini-program auth playground'],
  subtitle: [
    '真实的 SDK 与网关，模拟的微信。左边操作，右边看发生了什么。',
    'The real SDK and gateway on a simulated WeChat. Act on the left, watch what happens on the right.',
  ],
  skip: ['跳到手机', 'Skip to the phone'],
  links: ['文档', 'Documents'],
  apiDocs: ['API 文档', 'API'],
  otherLanguage: ['English', '中文'],
  darkTheme: ['深色', 'Dark'],

  phone: ['手机', 'Phone'],
  whosePhone: ['谁的手机', 'Whose phone'],
  alice: ['小林（alice）', 'Alice'],
  bob: ['小周（bob）', 'Bob'],
  carol: ['小陈（carol）', 'Carol'],
  miniProgram: ['茶铺小程序', 'Tea shop'],
  welcome: ['欢迎光临', 'Welcome'],
  signedOutHint: ['尚未登录。无需账号密码。', 'Not signed in. No account or password needed.'],
  noNickname: ['微信用户', 'WeChat user'],
  userId: ['用户 {id}', 'User {id}'],
  login: ['微信一键登录', 'Sign in with WeChat'],
  loginAgain: ['重新登录', 'Sign in again'],
  orders: ['查看订单（业务服务）', 'My orders (a business service)'],
  refresh: ['15 分钟后：刷新令牌', '15 minutes later: refresh'],
  logout: ['退出登录', 'Sign out'],
  nickname: ['昵称', 'Nickname'],
  save: ['保存', 'Save'],
  buy: ['买一罐茉莉花茶（虚拟支付）', 'Buy jasmine tea (virtual payment)'],
  bought: ['支付成功：订单和积分各由一个服务记下', 'Paid: one service keeps the order, another the points'],
  sessions: ['登录的设备', 'Signed-in devices'],
  thisDevice: ['本机', 'this phone'],
  endSession: ['下线', 'Sign out'],
  endSessionOf: ['让“{device}”下线', 'Sign out “{device}”'],
  unnamedDevice: ['未命名设备', 'unnamed device'],
  trials: ['考验一下', 'Put it to the test'],
  doubleTap: ['同一个 code 提交两次', 'Send one code twice'],
  stolen: ['重放旧的刷新令牌', 'Replay an old refresh token'],

  inWechat: ['在微信的设置里', 'In WeChat’s settings'],
  givePhone: ['授权手机号', 'Give the phone number'],
  withdrawPhone: ['撤回手机号授权', 'Withdraw phone'],
  closeAccount: ['注销授权（关闭账号）', 'Close account'],
  otherScreens: ['在其他屏幕上', 'On other screens'],
  openPc: ['打开电脑上的登录页', 'Open the login page of a PC'],
  scanWho: ['{client} 请求登录（{ip}，{age} 秒前）', '{client} asks to log in ({ip}, {age} s ago)'],
  scanOld: [
    '这个请求已经有一会儿了：如果不是你刚刚扫的码，请拒绝',
    'This request has waited for a while: refuse it unless you have just scanned the code yourself',
  ],
  scanElsewhere: [
    '请求来自与你的手机不同的网络：请确认设备就在你面前',
    'The request comes from another network than your phone: make sure that the device is in front of you',
  ],
  scanAllow: ['允许登录', 'Allow'],
  scanRefuse: ['拒绝', 'Refuse'],
  scanAllowed: ['已允许：电脑几秒内登录', 'Allowed: the PC is logged in within seconds'],
  scanRefused: ['已拒绝', 'Refused'],
  phoneGiven: ['网关保存了手机号 {phone}', 'The gateway keeps {phone}'],
  phoneWithdrawn: ['微信已推送，网关删除了手机号', 'WeChat pushed it, and the gateway has deleted the number'],
  accountClosed: [
    '微信已推送，网关注销了用户（{code}），所有会话已结束',
    'WeChat pushed it, the gateway erased the user ({code}), and every session has ended',
  ],
  receiptTitle: ['注销回执', 'Receipt of the erasure'],
  receiptCount: ['{all} 个服务中 {done} 个已完成', '{done} of {all} services done'],
  receiptId: ['编号 {id}', 'Number {id}'],
  'part.gateway': ['网关：用户数据', 'Gateway: the user’s data'],
  'part.picture': ['网关：头像文件', 'Gateway: the picture'],
  'service.orders': ['订单服务', 'Orders service'],
  'service.points': ['积分服务', 'Points service'],
  'state.done': ['已完成', 'done'],
  'state.pending': ['等待中', 'waiting'],
  pushRefused: ['推送没有被接受：{reason}', 'The push was not taken: {reason}'],
  pushSlow: ['推送已接受，还没有处理完', 'The push was taken and is not done yet'],

  loggedIn: ['登录成功', 'Signed in'],
  loggedInNew: ['登录成功，已创建新用户', 'Signed in; a new user was made'],
  refreshed: ['令牌已刷新', 'Tokens refreshed'],
  loggedOut: ['已退出登录', 'Signed out'],
  saved: ['已保存', 'Saved'],
  sessionEnded: ['该设备已下线', 'That device is signed out'],
  ordersCame: ['业务服务返回 {count} 个订单：{titles}', 'The business service answered {count} order: {titles}'],
  twiceSame: [
    '两次都成功：同一会话、同一刷新令牌，微信只被调用一次',
    'Both succeeded: one session, one refresh token, one call to WeChat',
  ],
  twiceOther: ['第二次没有得到同一会话', 'The second did not get the same session'],
  replayCaught: [
    '网关识破了重放（{code}）：会话已结束，小偷和手机都得重新登录',
    'The gateway caught the replay ({code}): the session has ended for thief and phone alike',
  ],
  replayMissed: ['重放没有被拒绝', 'The replay was not refused'],
  failed: ['{msg}（{code}）', '{msg} ({code})'],
  fuse: ['熔断：{msg}（{code}），{seconds} 秒后再试', 'Fuse open: {msg} ({code}); try again in {seconds} s'],
  fuseOver: ['可以再试了', 'Ready to try again'],
  sessionFacts: ['{time} · {ip}', '{time} · {ip}'],
  noAddress: ['地址未知', 'address unknown'],
  working: ['请稍候…', 'One moment…'],
  'sdk.NETWORK': ['网络异常', 'No network'],
  'sdk.TIMEOUT': ['网络超时', 'The network timed out'],
  'sdk.LOGGED_OUT': ['已退出登录，请先登录', 'Signed out; sign in first'],
  'sdk.LOGIN_FAILED': ['微信登录失败', 'wx.login failed'],
  'sdk.FUSE_OPEN': ['请求过于频繁，请稍候', 'Too many attempts; wait a little'],

  parts: ['页面部分', 'Parts of the page'],
  faultsTab: ['故障', 'Faults'],
  tokenTab: ['令牌', 'Token'],
  weatherIn: ['故障：{faults}。点“重新登录”就能看到。', 'Fault: {faults}. Tap “Sign in again” to see it.'],
  weatherOut: ['故障：{faults}。', 'Fault: {faults}.'],
  faults: ['故障开关', 'Faults'],
  faultsHint: ['打开一个，再到手机上操作。', 'Switch one on, then use the phone.'],
  clearFaults: ['全部恢复', 'Clear all'],
  wechatBusy: ['微信繁忙', 'WeChat is busy'],
  wechatBusyHint: ['code2Session 总是回 -1', 'code2Session always answers -1'],
  wechatSlow: ['微信很慢', 'WeChat is slow'],
  wechatSlowHint: ['每次拖 6 秒才回答', 'Every answer takes 6 seconds'],
  codeUsed: ['code 已被使用（一次）', 'Code used twice (once)'],
  codeUsedHint: ['下一个 code 回 40163，SDK 自己换新的', 'The next code meets 40163; the SDK gets a new one itself'],
  userBlocked: ['微信限制该用户', 'WeChat blocks the user'],
  userBlockedHint: ['回 40226，属于终局', 'Answers 40226, which is final'],
  redisDown: ['Redis 宕机', 'Redis is down'],
  redisDownHint: ['登录和刷新照常', 'Login and refresh go on'],
  ordersDown: ['订单服务停机', 'The orders service is down'],
  ordersDownHint: ['注销要等它恢复才算完成', 'An erasure waits until it is back'],
  pointsDown: ['积分服务停机', 'The points service is down'],
  pointsDownHint: ['注销要等它恢复才算完成', 'An erasure waits until it is back'],
  offline: ['手机断网', 'The phone is offline'],
  offlineHint: ['请求发不出去', 'No request goes out'],
  loseReply: ['丢一个回复（一次）', 'Lose one reply (once)'],
  loseReplyHint: ['网关已处理，手机没收到', 'The gateway acts, the phone never hears'],
  faultFailed: ['故障开关没有生效', 'The switch had no effect'],

  timeline: ['时间线', 'Timeline'],
  timelineHint: [
    '最新的在最上面；点开看请求与回复，令牌只显示头尾。',
    'Newest first; open one for its request and reply. Tokens are shown shortened.',
  ],
  allPolls: ['也显示没有变化的轮询（304）', 'Show polls that found no change (304) too'],
  clear: ['清空', 'Clear'],
  empty: ['还没有请求。先在手机上登录。', 'No requests yet. Sign in on the phone.'],
  'from.phone': ['手机', 'Phone'],
  'from.gateway': ['网关 → 微信', 'Gateway → WeChat'],
  'from.event': ['网关 → 服务', 'Gateway → service'],
  'from.wechat': ['微信 → 网关', 'WeChat → gateway'],
  'from.verifier': ['验证器 → 网关', 'Verifier → gateway'],
  request: ['请求', 'Request'],
  reply: ['回复', 'Reply'],
  noReply: ['无回复', 'no reply'],
  copyCurl: ['复制为 curl', 'Copy as curl'],
  copied: ['已复制', 'Copied'],
  notCopied: ['复制失败，请手动选择', 'Cannot copy; select it instead'],
  'from.sdk': ['SDK（没有请求）', 'SDK (nothing sent)'],
  heard: ['{call}，{status}', '{call}, {status}'],
  address: ['地址', 'Address'],

  verifier: ['验证器', 'Verifier'],
  verifierHint: [
    '业务服务里的验证器离线验签；会话结束由状态列表告知。',
    'The verifier in the business service checks signatures offline; the status list tells it of ended sessions.',
  ],
  verdictNone: ['没有令牌可验', 'No token to check'],
  verdictAccepted: ['接受当前令牌', 'Accepts the current token'],
  verdictRefused: ['拒绝当前令牌：{code}', 'Refuses the current token: {code}'],
  endedAccepted: ['会话已结束，仍接受旧令牌', 'The session has ended; the old token still passes'],
  endedRefused: ['已拒绝旧令牌：{code}', 'The old token is refused: {code}'],
  stopwatch: ['会话结束后 {seconds} 秒', '{seconds} s since the session ended'],
  noticed: ['{seconds} 秒后察觉', 'Noticed after {seconds} s'],
  bound: ['承诺：{seconds} 秒以内', 'Promised: within {seconds} s'],
  keysAge: ['公钥', 'Keys'],
  listAge: ['状态列表', 'Status list'],
  secondsOld: ['{seconds} 秒前', '{seconds} s old'],
  confirmed: ['{seconds} 秒前确认', 'confirmed {seconds} s ago'],
  notYet: ['尚未获取', 'not fetched yet'],
  serverGone: ['开发服务器没有回应', 'The development server does not answer'],

  token: ['访问令牌', 'Access token'],
  copyToken: ['复制令牌', 'Copy token'],
  tokenNone: ['手机上没有令牌', 'The phone holds no token'],
  header: ['头部', 'Header'],
  claims: ['声明', 'Claims'],
  refreshCount: ['本会话已刷新 {count} 次', 'Refreshed {count} times in this session'],
  'claim.iss': ['签发者', 'issuer'],
  'claim.sub': ['用户', 'user'],
  'claim.aud': ['受众', 'audience'],
  'claim.client_id': ['小程序', 'mini program'],
  'claim.iat': ['签发于 {time}', 'issued {time}'],
  'claim.exp': ['到期于 {time}', 'expires {time}'],
  'claim.jti': ['令牌编号', 'token id'],
  'claim.sid': ['会话', 'session'],
  'claim.status': ['在状态列表中的位置', 'place in the status list'],
  'claim.roles': ['角色', 'roles'],

  keys: ['公钥（JWKS）', 'Public keys (JWKS)'],
  signedThis: ['当前令牌用它签名', 'signed the current token'],
  reload: ['重新获取', 'Fetch again'],
}

const LANGUAGES = ['zh', 'en']
const listeners = new Set()
let language = 0

export const locale = () => (language === 0 ? 'zh-CN' : 'en')
export const say = (word, vars = {}) =>
  (words[word]?.[language] ?? word).replace(/\{(\w+)\}/g, (_, name) => vars[name] ?? '')
export const knows = (word) => word in words
export const onLanguage = (listener) => listeners.add(listener)

/** Fills in one element from its `data-word` (text) and `data-label` (accessible name). */
export function translate(target) {
  const { word, label, vars } = target.dataset
  const given = vars ? JSON.parse(vars) : {}
  if (word) target.textContent = say(word, given)
  if (label) target.setAttribute('aria-label', say(label, given))
}

export function setLanguage(name) {
  language = Math.max(0, LANGUAGES.indexOf(name))
  document.documentElement.lang = locale()
  document.title = say('title')
  for (const target of document.querySelectorAll('[data-word], [data-label]')) translate(target)
  for (const listener of listeners) listener()
}

export const languageName = () => LANGUAGES[language]
