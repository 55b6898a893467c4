/** Where the status of a session is published: its index split into a list and a place in it. */

/** 2^20 sessions a list: small enough to fetch, and old lists die with their sessions. */
export const LIST_BITS = 2 ** 20

export const listOf = (statusIndex: number): number => Math.floor(statusIndex / LIST_BITS)

/** The `status_list` member of a token's `status` claim (draft-ietf-oauth-status-list section 6.1). */
export const statusReference = (issuer: string) => (statusIndex: number) => ({
  idx: statusIndex % LIST_BITS,
  uri: `${issuer}/status-lists/${listOf(statusIndex)}`,
})
