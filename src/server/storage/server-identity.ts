/** Which PostgreSQL answers: another one after a failover or a restore, which may lack the last commits. As parts of statements. */

/** Another text for another server or database; the same for as long as this one runs. */
export const serverIdentity = `(extract(epoch from pg_postmaster_start_time())::text || '/' || 'session_status_index'::regclass::oid::text)`

/** More logins than a second of the last commits can hold. */
export const PLACES_PER_SWITCH = 65_536

/**
 * The status index of a new session: `next`, `seed` and `server` are the parameters with what the last poll found. On another server
 * the places that lost commits may have handed out are left out, so that nobody has to notice the switch first.
 */
export const newStatusIndex = (next: string, seed: string, server: string): string =>
  `next_status_index(${next}::bigint + case when ${server}::text <> ${serverIdentity} then ${PLACES_PER_SWITCH} else 0 end, ${seed}::bigint)`
