/** What is proved: each model's promises in plain words, the states it must reach, and the ways to break it. docs/model.md is the page for people. */

export type Promised = { name: string; words: string }

/** `world`: where it can be met, if not in the usual one. */
export type Reached = { name: string; words: string; world?: string }

/** A broken design: compiled in by `-D <name>`, and caught by that promise or not at all. */
export type Mutant = { name: string; words: string; breaks: string; also?: readonly string[] }

export type Model = {
  name: 'refresh' | 'revocation' | 'keys' | 'indexes'
  promises: readonly Promised[]
  /** Other sizes of the same world, in which the promises must hold as well. */
  worlds?: readonly { name: string; words: string }[]
  reaches: readonly Reached[]
  mutants: readonly Mutant[]
  /** What the promises rest on: without it they do not hold, as these schedules show. */
  assumptions: readonly Mutant[]
}

const refresh: Model = {
  name: 'refresh',
  promises: [
    { name: 'one_live_chain', words: 'a session has at most one live chain of refresh tokens' },
    {
      name: 'same_successor',
      words: 'the same token inside the reuse interval gets the same successor on any replica',
    },
    { name: 'older_token_ends_session', words: 'an older token gets nothing and ends the session' },
    { name: 'no_refresh_after_end', words: 'after an acknowledged end no refresh succeeds' },
    { name: 'lost_answers_log_nobody_out', words: 'no honest client is logged out by lost answers alone' },
  ],
  reaches: [
    { name: 'REPEAT_ELSEWHERE', words: 'a repeat at the other replica gets the same token' },
    { name: 'REPLAY_OF_THIEF', words: 'the thief uses an old token and the session ends' },
    { name: 'REPLAY_OF_PERSON', words: 'the person comes after the thief and the session ends' },
    { name: 'REFUSAL_AFTER_END', words: 'a refresh after the acknowledged end is refused' },
    { name: 'CRASH', words: 'a replica crashes between statement and answer' },
    { name: 'CLOCK_SET', words: 'a token is old although the clock says that it was used in the future' },
    { name: 'NEW_LOGIN', words: 'the program waits in vain and logs in anew' },
  ],
  mutants: [
    {
      name: 'REPEAT_MINTS_NEW_CHAIN',
      words: 'a repeat inside the interval is given a token of its own',
      breaks: 'one_live_chain',
    },
    {
      name: 'SPEND_AFTER_MINT',
      words: 'a replica answers first and writes the new counter afterwards',
      breaks: 'lost_answers_log_nobody_out',
    },
    {
      name: 'REUSE_FORGOTTEN_AT_RESTART',
      words: 'the used tokens are remembered in memory, which a restart empties',
      breaks: 'older_token_ends_session',
    },
    {
      name: 'SUCCESSOR_KEPT_BY_PROCESS',
      words: 'only the process that made the successor can give it again',
      breaks: 'same_successor',
    },
    {
      name: 'STALE_REPLICA',
      words: 'a replica refreshes by a row that it read before the session ended',
      breaks: 'no_refresh_after_end',
    },
    {
      name: 'END_ANSWERED_BEFORE_COMMIT',
      words: 'the end of a session is acknowledged before it is committed',
      breaks: 'no_refresh_after_end',
    },
    {
      name: 'INTERVAL_BY_PROCESS_CLOCK',
      words: 'the reuse interval is measured by the clock of whichever replica runs the statement',
      breaks: 'older_token_ends_session',
    },
    {
      name: 'FUTURE_IS_YOUNG',
      words: 'a use that lies in the future counts as inside the interval',
      breaks: 'older_token_ends_session',
    },
    {
      name: 'NO_REUSE_INTERVAL',
      words: 'every repeat is a replay',
      breaks: 'lost_answers_log_nobody_out',
    },
    {
      name: 'REPLAY_ONLY_REFUSED',
      words: 'a replay is refused and the session goes on',
      breaks: 'older_token_ends_session',
    },
  ],
  assumptions: [
    {
      name: 'PROGRAM_TRIES_TOO_LONG',
      words: 'a program tries the same token again after the reuse interval, instead of logging in anew',
      breaks: 'lost_answers_log_nobody_out',
    },
    {
      name: 'REQUEST_COMES_TOO_LATE',
      words: 'a request that nobody waits for any more is carried out after the reuse interval',
      breaks: 'lost_answers_log_nobody_out',
    },
  ],
}

const revocation: Model = {
  name: 'revocation',
  promises: [
    {
      name: 'ended_session_refused_in_time',
      words: 'an offline verifier accepts an ended session no longer than ttl + 5 s',
    },
    { name: 'bit_stays_set', words: 'a bit once set is never served unset' },
    { name: 'list_at_most_5s_old', words: 'the list that a replica serves is at most 5 s behind the database' },
  ],
  reaches: [
    { name: 'OUT_OF_ORDER', words: 'the transaction that began first commits last' },
    { name: 'LATE_COMMIT', words: 'an end is committed long after it was written' },
    { name: 'REFUSAL', words: 'the verifier learns of an end from the replica that did not commit it' },
    { name: 'CRASH_BEFORE_BIT', words: 'the replica that committed an end crashes before it sets the bit' },
    { name: 'LAST_MOMENT', words: 'the verifier learns of an end at the last moment that is allowed' },
    { name: 'DELETED', words: 'the row of an ended session is deleted' },
  ],
  mutants: [
    {
      name: 'CURSOR_BY_REPLICA_CLOCK',
      words: 'a replica goes on reading from what its own clock showed at the last read',
      breaks: 'ended_session_refused_in_time',
      also: ['NO_CRASHES'],
    },
    {
      name: 'CURSOR_BY_DATABASE_CLOCK',
      words: 'a replica goes on reading from the database’s time of the last read, less a margin',
      breaks: 'list_at_most_5s_old',
      also: ['NO_CRASHES'],
    },
    {
      name: 'CURSOR_BY_SEQUENCE',
      words: 'a replica goes on reading after the highest number that it has seen, whatever is still open below',
      breaks: 'ended_session_refused_in_time',
      also: ['NO_CRASHES'],
    },
    {
      name: 'CURSOR_TAKEN_AFTER_READING',
      words: 'a replica asks for the oldest open transaction after it has read the ends, not before',
      breaks: 'ended_session_refused_in_time',
      also: ['NO_CRASHES'],
    },
    {
      name: 'BIT_UNSET_ON_RELOAD',
      words: 'a read replaces the list instead of adding to it',
      breaks: 'bit_stays_set',
      also: ['NO_CRASHES'],
    },
    {
      name: 'SERVED_BEFORE_LOADED',
      words: 'a replica serves its list before it has read all ends',
      breaks: 'bit_stays_set',
    },
    {
      name: 'OLDER_LIST_REPLACES',
      words: 'a verifier replaces its list by an older one of the other replica',
      breaks: 'bit_stays_set',
      also: ['NO_CRASHES'],
    },
    {
      name: 'ROWS_DELETED_BY_REPLICA_CLOCK',
      words: 'a replica whose clock is ahead deletes rows of ended sessions',
      breaks: 'ended_session_refused_in_time',
    },
  ],
  assumptions: [
    {
      name: 'HTTP_CACHE_OF_LISTS',
      words: 'an HTTP cache between verifier and gateway keeps the list for its max-age',
      breaks: 'ended_session_refused_in_time',
      also: ['NO_CRASHES'],
    },
  ],
}

const keys: Model = {
  name: 'keys',
  promises: [
    { name: 'no_unknown_key', words: 'no verifier with a permitted cache meets an unknown key' },
    { name: 'no_signing_key_deleted', words: 'the key that signs is never deleted' },
    { name: 'rotation_happens_once', words: 'a rotation happens once, however many replicas run' },
    { name: 'one_key_signs', words: 'once the next key signs on one replica, the one before signs on none' },
  ],
  reaches: [
    { name: 'ROTATED', words: 'keys rotate twice' },
    { name: 'OLD_KEY_DELETED', words: 'a key that is done with is deleted' },
    { name: 'RACE', words: 'both replicas add the next key' },
    { name: 'SIGNS_SKEWED', words: 'a replica signs with a clock that is wrong within the limit' },
    { name: 'TOO_SKEWED_TO_SIGN', words: 'a replica’s clock is beyond the limit' },
    { name: 'OLD_TOKEN_TAKEN', words: 'a token of the key before is verified at the end of its life' },
    { name: 'LATE_RELOAD', words: 'a replica learns of a key as late as it may' },
  ],
  mutants: [
    {
      name: 'DELETION_BY_REPLICA_CLOCK',
      words: 'a replica decides by its own clock which keys are done with',
      breaks: 'no_signing_key_deleted',
    },
    { name: 'NO_PUBLISH_AHEAD', words: 'a new key signs as soon as it is published', breaks: 'no_unknown_key' },
    {
      name: 'NO_RELOAD_MARGIN',
      words: 'a new key is added only the publish-ahead before it signs, without the two reloads',
      breaks: 'no_unknown_key',
    },
    {
      name: 'DELETED_TOO_EARLY',
      words: 'a key is deleted as soon as its successor signs',
      breaks: 'no_unknown_key',
    },
    {
      name: 'SKEW_UNCHECKED',
      words: 'a replica signs although its clock is beyond the limit of skew',
      breaks: 'no_unknown_key',
    },
    {
      name: 'SIGNS_BY_REPLICA_CLOCK',
      words: 'a replica chooses the key that signs by its own clock, within the limit of skew',
      breaks: 'no_unknown_key',
    },
    {
      name: 'GENERATION_NOT_UNIQUE',
      words: 'two replicas may both add the next key',
      breaks: 'rotation_happens_once',
    },
  ],
  assumptions: [
    {
      name: 'CACHE_KEEPS_KEYS_LONGER',
      words: 'a cache keeps the published keys for longer than the publish-ahead',
      breaks: 'no_unknown_key',
    },
  ],
}

const indexes: Model = {
  name: 'indexes',
  promises: [{ name: 'no_index_given_twice', words: 'an index is never given twice, restores included' }],
  worlds: [{ name: 'TWO_RESTORES', words: 'two restores, fewer logins' }],
  reaches: [
    { name: 'JUMP', words: 'the sequence jumps after a restore' },
    { name: 'MARK_HELPS', words: 'a replica that starts alone learns from Redis what the database has forgotten' },
    { name: 'JUMPED_BY_OTHER', words: 'a replica waits while the other one jumps' },
    { name: 'FAILED_IN_JUMP', words: 'the database is put back while a replica jumps', world: 'TWO_RESTORES' },
  ],
  mutants: [
    {
      name: 'NO_JUMP',
      words: 'after a restore the sequence goes on from where it was put back to',
      breaks: 'no_index_given_twice',
    },
    {
      name: 'NO_MARGIN',
      words: 'the sequence jumps past what was seen, not past what was given since',
      breaks: 'no_index_given_twice',
    },
    {
      name: 'ONLY_WHO_NOTICES',
      words: 'only a replica whose request failed leaves a margin',
      breaks: 'no_index_given_twice',
    },
    {
      name: 'NO_MARK',
      words: 'a replica that starts knows nothing of what others have given',
      breaks: 'no_index_given_twice',
    },
    {
      name: 'JUMP_WITHOUT_LOCK',
      words: 'two replicas set the sequence without a lock between them',
      breaks: 'no_index_given_twice',
    },
    {
      name: 'JUMP_TOO_SHORT',
      words: 'the sequence is set so close that another replica gets there first',
      breaks: 'no_index_given_twice',
    },
  ],
  assumptions: [],
}

export const models: readonly Model[] = [refresh, revocation, keys, indexes]
