/** Who asks for a change, and by which request: what the audit trail writes beside every act. */

export type Actor = {
  /** `user`, `system`, `operator:NAME`, `service:NAME` or `platform:NAME`. */
  name: string
  /** The client's address as far as it can be trusted; undefined when it is unknown. */
  ip: string | undefined
  requestId: string | undefined
}
