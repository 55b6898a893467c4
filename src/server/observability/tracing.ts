/** OpenTelemetry traces, loaded only where an OTLP endpoint is configured: W3C context in, one span a request, one a call out. */
import type { Span } from './span.ts'

export type Tracing = {
  middleware: ReturnType<typeof import('@hono/otel').httpInstrumentationMiddleware>
  span: Span
  /** Sends what is left. */
  close(): Promise<void>
}

export type TracingOptions = {
  /** Of the collector; `/v1/traces` is added (OTLP over HTTP, JSON). */
  endpoint: string
  serviceName: string
  /** The share of traces that is kept, 0 to 1. */
  ratio: number
}

/** Everything is imported here and not above, so that a gateway without tracing never loads it. */
export async function startTracing({ endpoint, serviceName, ratio }: TracingOptions): Promise<Tracing> {
  const [api, sdk, { AsyncLocalStorageContextManager }, { W3CTraceContextPropagator }, exporter, resources, hono] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/context-async-hooks'),
      import('@opentelemetry/core'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
      import('@hono/otel'),
    ])
  const sampled = new sdk.TraceIdRatioBasedSampler(ratio)
  const provider = new sdk.TracerProvider({
    resource: resources.defaultResource().merge(resources.resourceFromAttributes({ 'service.name': serviceName })),
    // A caller's wish to be sampled counts as any other: the public may not decide how much is recorded.
    sampler: new sdk.ParentBasedSampler({ root: sampled, remoteParentSampled: sampled }),
    spanProcessors: [
      withoutValues,
      new sdk.BatchSpanProcessor({
        exporter: new exporter.OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` }),
        scheduledDelayMillis: 1000,
      }),
    ],
  })
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  api.propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  const tracer = provider.getTracer('auth-gateway')

  return {
    middleware: hono.httpInstrumentationMiddleware({ tracer, captureActiveRequests: false }),
    span: (name, call) =>
      tracer.startActiveSpan(name, { kind: api.SpanKind.CLIENT }, async (span) => {
        try {
          return await call()
        } catch (error) {
          // The name of the error and no more: messages of drivers hold values.
          span.setAttribute('error.type', error instanceof Error ? error.name : 'unknown')
          span.setStatus({ code: api.SpanStatusCode.ERROR })
          throw error
        } finally {
          span.end()
        }
      }),
    async close() {
      await provider.shutdown().catch(() => undefined)
      api.context.disable()
      api.propagation.disable()
    },
  }
}

/**
 * The request's URL is recorded without its query, which may hold what a careless client put there, and an exception by its type
 * alone: messages of drivers hold values.
 */
const withoutValues = {
  onStart(span: { attributes: Record<string, unknown>; setAttribute(name: string, value: string): unknown }) {
    const url = span.attributes['url.full']
    if (typeof url === 'string') span.setAttribute('url.full', url.split(/[?#]/, 1)[0] ?? '')
  },
  onEnd(span: {
    events: { attributes?: Record<string, unknown> | undefined }[]
    status: { message?: string | undefined }
  }) {
    delete span.status.message
    for (const { attributes } of span.events)
      for (const name of ['exception.message', 'exception.stacktrace']) delete attributes?.[name]
  },
  forceFlush: async () => undefined,
  shutdown: async () => undefined,
}
