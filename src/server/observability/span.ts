/** A span of a trace as an argument: what calls a store or a platform is handed one when tracing is on, and nothing when it is off. */

/** Runs the call inside a span. The name is ours, never a value: no statement's parameters, no key, no URL. */
export type Span = <T>(name: string, call: () => Promise<T>) => Promise<T>
