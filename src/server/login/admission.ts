/** Leave to go on with a request that is under way: its rate limit is counted meanwhile, so that both share a round trip. */

export type Admission = {
  /** To be awaited before anything is sent to a platform or written. Rejects with A0501 when the request is one too many. */
  granted(): Promise<void>
}

/** `counting` handles its own rejection: it may fail before anybody awaits it. */
export const admissionBy = (counting: Promise<void>): Admission => ({ granted: () => counting })
