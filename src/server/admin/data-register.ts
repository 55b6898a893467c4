/**
 * The register of personal data: every column of the database, what kind of data it holds, why, on what ground, how long and who is
 * given it (PIPL articles 17, 51, 55 ask for such a list). A test holds it to the real schema, column by column.
 */

export const dataKinds = [
  'identifier',
  'contact',
  'profile',
  'device',
  'network',
  'activity',
  'message',
  'secret',
  'technical',
] as const
export type DataKind = (typeof dataKinds)[number]

/** PIPL article 13: by the user's consent, for the contract with the user, by legal duty; `none`: no personal data. */
export const bases = ['consent', 'contract', 'legal_duty', 'none'] as const

export type Entry = {
  kind: DataKind
  purpose: string
  basis: (typeof bases)[number]
  retention: string
  recipients: string
}

type Column = readonly [kind: DataKind, purpose: string, more?: Partial<Entry>]
type Table = Pick<Entry, 'basis' | 'retention' | 'recipients'> & { columns: Readonly<Record<string, Column>> }

export const NOBODY = 'nobody'
const USER = 'the user'
const TOKENS = 'the user; services, in access tokens'
const OPERATORS = 'operators; the user, in the export'

const technical = (purpose: string): Column => ['technical', purpose, { basis: 'none' }]
const time = (what: string): Column => ['activity', what]

const tables: Readonly<Record<string, Table>> = {
  users: {
    basis: 'contract',
    retention: 'until the erasure; the bare row stays, so that ids in other systems still mean somebody who is gone',
    recipients: OPERATORS,
    columns: {
      id: ['identifier', 'names the user in every service', { recipients: TOKENS }],
      status: technical('active, suspended or erased'),
      nickname: ['profile', 'shown to the user and others', { basis: 'consent', recipients: USER }],
      avatar: ['profile', 'URL of the picture, public to whoever has it', { basis: 'consent', recipients: USER }],
      email: ['contact', 'contact, as the user gave it', { basis: 'consent', recipients: USER }],
      phone: ['contact', 'contact, proved by the platform', { basis: 'consent', recipients: USER }],
      exclusive_phone: ['contact', 'keeps a phone number to one user', { basis: 'consent', recipients: NOBODY }],
      birthday: ['profile', 'as the user gave it', { basis: 'consent', recipients: USER }],
      sex: ['profile', 'as the user gave it', { basis: 'consent', recipients: USER }],
      address: ['contact', 'as the user gave it', { basis: 'consent', recipients: USER }],
      signature: ['profile', 'as the user gave it', { basis: 'consent', recipients: USER }],
      chosen_fields: technical('names of the fields that a login must not overwrite'),
      roles: ['activity', 'what the user may do in services', { recipients: TOKENS }],
      claims: ['profile', "the team's own claims", { recipients: TOKENS }],
      external_id: ['identifier', 'how another system knows the user', { recipients: TOKENS }],
      version: technical('counts changes of the profile: the ETag'),
      first_session_id: technical('tells a first login from a later one'),
      created_at: time('when the user came'),
      updated_at: time('when the profile changed'),
      last_login_at: time('when the user last logged in'),
      suspended_at: time('since when the user is suspended'),
      suspend_reason: ['activity', 'why the user is suspended, in an operator’s words'],
      suspended_by: technical('which operator suspended the user'),
      erased_at: time('when the user was erased'),
      addresses_until: technical('until when addresses of an erased user stay in the audit trail'),
    },
  },
  platform_identities: {
    basis: 'contract',
    retention: 'until the erasure',
    recipients: OPERATORS,
    columns: {
      platform: technical('which platform'),
      appid: technical('which program'),
      openid: ['identifier', "the platform's name for the user, by which a login finds them"],
      user_id: ['identifier', 'whose identity it is'],
      unionid: ['identifier', "the platform's name for the user across programs"],
      union_name: technical('the union in which the identity was joined'),
      created_at: time('when the identity was first seen'),
    },
  },
  union_members: {
    basis: 'contract',
    retention: 'until the erasure',
    recipients: OPERATORS,
    columns: {
      union_name: technical('which union'),
      unionid: ['identifier', 'leads several programs to one user'],
      user_id: ['identifier', 'whose it is'],
    },
  },
  sessions: {
    basis: 'contract',
    retention: 'seven days after the end; what is personal goes with the erasure',
    recipients: OPERATORS,
    columns: {
      id: ['identifier', 'names the session', { recipients: TOKENS }],
      user_id: ['identifier', 'whose session it is'],
      platform: technical('where it was opened'),
      appid: technical('in which program'),
      openid: ['identifier', 'as which identity'],
      unionid: ['identifier', 'as which identity'],
      device: ['device', "the user's list of devices", { recipients: USER }],
      ip: ['network', "the user's list of devices, and the network log", { basis: 'legal_duty' }],
      status_index: technical('its place in the status lists'),
      refresh_counter: technical('which refresh token is the current one'),
      created_at: time('when it was opened'),
      refreshed_at: time('when it was last refreshed'),
      last_used_at: time("the user's list of devices"),
      idle_expires_at: technical('when it ends unless it is refreshed'),
      expires_at: technical('when it ends'),
      ended_at: time('when it ended'),
      ended_xid: technical('by which transaction it ended: for the status lists'),
      end_reason: technical('why it ended'),
      parent_id: technical('the session that it was opened from'),
    },
  },
  audit_events: {
    basis: 'legal_duty',
    retention: 'AUDIT_RETENTION_MONTHS; addresses of erased users for six months (Cybersecurity Law, article 21)',
    recipients: OPERATORS,
    columns: {
      id: technical('order of the events'),
      at: time('when it happened'),
      kind: ['activity', 'what happened'],
      user_id: ['identifier', 'whom it is about'],
      session_id: ['identifier', 'in which session'],
      appid: technical('in which program'),
      ip: ['network', 'where the request came from'],
      actor: technical('who did it: the user, an operator, a service, a platform'),
      request_id: technical('finds the request in the log'),
      detail: ['activity', 'names of what changed, never its values'],
    },
  },
  platform_events: {
    basis: 'legal_duty',
    retention: 'the message until it is done, at most 30 days; its digest for seven days',
    recipients: 'services, by the stream platform-events: those that are not about data kept here',
    columns: {
      id: technical('order of the events'),
      digest: technical('knows a repeat'),
      platform: technical('which platform'),
      appid: technical('which program'),
      kind: technical('done here, or passed on'),
      name: technical("the platform's name for the event"),
      format: technical('JSON or XML'),
      message: ['message', 'the event as the platform sent it: the openid, and what else it says'],
      source: technical('pushed, or handed in by which service'),
      received_at: time('when it came'),
      attempts: technical('how often it was tried'),
      due_at: technical('when it is tried again'),
      done_at: technical('when it was done'),
      outcome: technical('what was done'),
      error: technical('what went wrong, without data'),
    },
  },
  discarded_pictures: {
    basis: 'legal_duty',
    retention: 'until the picture is deleted',
    recipients: NOBODY,
    columns: {
      url: ['profile', 'a picture that is still to be deleted'],
      discarded_at: technical('since when nobody shows it'),
      attempts: technical('how often its deletion was tried'),
      due_at: technical('when it is tried again'),
    },
  },
  child_ends: {
    basis: 'contract',
    retention: 'a second: until a gateway has told of the end',
    recipients: NOBODY,
    columns: {
      session_id: ['identifier', 'the session that ended with its parent'],
      user_id: ['identifier', 'whose it was'],
      status_index: technical('its place in the status lists'),
      appid: technical('of which client'),
      ended_at: time('when'),
    },
  },
  erasures: {
    basis: 'legal_duty',
    retention: 'the proof of the erasure, without a name: kept',
    recipients: 'whoever holds the receipt: how far the erasure is',
    columns: {
      id: ['identifier', 'the receipt'],
      user_id: ['identifier', 'who was erased, an id that nothing leads to any more'],
      at: time('when'),
      picture: ['profile', 'the picture, until it is deleted', { recipients: NOBODY }],
      picture_deleted_at: technical('when the picture was deleted'),
    },
  },
  erasure_confirmations: {
    basis: 'legal_duty',
    retention: 'with the erasure',
    recipients: 'whoever holds the receipt',
    columns: {
      erasure_id: ['identifier', 'which erasure'],
      target: technical('which service'),
      confirmed_at: technical('when the service had done its part'),
    },
  },
  events: {
    basis: 'contract',
    retention: 'EVENT_RETENTION_DAYS',
    recipients: 'the services of EVENT_TARGETS',
    columns: {
      seq: technical('order of the events'),
      id: technical('names the event'),
      kind: ['activity', 'what happened'],
      user_id: ['identifier', 'whom it is about'],
      session_id: ['identifier', 'in which session'],
      detail: ['activity', 'names of fields, a reason, a receipt: never values'],
      txn: technical('which events belong together'),
      at: time('when'),
    },
  },
  event_deliveries: {
    basis: 'contract',
    retention: 'EVENT_RETENTION_DAYS',
    recipients: OPERATORS,
    columns: {
      target: technical('which service'),
      seq: technical('which event'),
      user_id: ['identifier', 'keeps the order of one user'],
      state: technical('pending, delivered or dead'),
      attempts: technical('how often it was tried'),
      due_at: technical('when it is tried again'),
      last_error: technical('what went wrong, without data'),
      settled_at: technical('when it was delivered or given up'),
    },
  },
  ...Object.fromEntries(
    Object.entries({
      event_targets: 'id pushed acknowledges_erasure kinds failures paused_until seen_at',
      signing_keys: 'kid generation alg public_jwk sealed_private_jwk published_at activates_at retired_at',
      status_list_secret: 'one seed',
      housekeeping: 'job cursor done_at',
    }).map(([name, columns]) => [name, withoutPersonalData(columns.split(' '))]),
  ),
}

function withoutPersonalData(columns: string[]): Table {
  const secrets = ['sealed_private_jwk', 'seed']
  return {
    ...{ basis: 'none', retention: 'as long as the gateway runs', recipients: NOBODY },
    columns: Object.fromEntries(
      columns.map((name): [string, Column] => [
        name,
        secrets.includes(name)
          ? ['secret', "the gateway's own secret"]
          : technical('how the gateway runs; nothing about a person'),
      ]),
    ),
  }
}

export type Described = Entry & { table: string; column: string }

/** Every entry of the register; the retention and recipients of a column are its table's unless it says otherwise. */
export const register: readonly Described[] = Object.entries(tables).flatMap(([table, { columns, ...common }]) =>
  Object.entries(columns).map(([column, [kind, purpose, more]]) => {
    const entry = { table, column, kind, purpose, ...common, ...more }
    // Nobody is told what is not about them.
    return entry.basis === 'none' ? { ...entry, recipients: NOBODY } : entry
  }),
)
