/** Prometheus metrics with bounded labels: every label value comes from our own code or is mapped to one that does. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export type Metrics = ReturnType<typeof createMetrics>

const latencyBuckets = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

export function createMetrics({ defaults = false }: { defaults?: boolean } = {}) {
  const registry = new Registry()
  const registers = [registry]
  if (defaults) collectDefaultMetrics({ register: registry })
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers })
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name, help, labelNames, registers })
  const seconds = (name: string, help: string, labelNames: string[]) =>
    new Histogram({ name, help, labelNames, registers, buckets: latencyBuckets })
  return {
    registry,
    requests: counter('gateway_http_requests_total', 'Requests by listener, route and status.', [
      'listener',
      'route',
      'method',
      'status',
    ]),
    requestSeconds: seconds('gateway_http_request_duration_seconds', 'Time to answer.', ['listener', 'route']),
    logins: counter('gateway_logins_total', 'Logins by outcome.', ['platform', 'outcome']),
    refreshes: counter('gateway_refreshes_total', 'Refreshes by outcome.', ['outcome']),
    sessionsEnded: counter('gateway_sessions_ended_total', 'Sessions ended, by reason.', ['reason']),
    upstream: counter('gateway_upstream_requests_total', 'Calls to platforms by outcome or error code.', [
      'platform',
      'operation',
      'outcome',
    ]),
    upstreamSeconds: seconds('gateway_upstream_duration_seconds', 'Time platforms take to answer.', [
      'platform',
      'operation',
    ]),
    paidCalls: counter('gateway_paid_calls_total', 'Calls that cost money.', ['operation']),
    unknownServiceTokens: counter(
      'gateway_unknown_service_tokens_total',
      'Requests with a service token that is none of ours.',
      [],
    ),
    rateLimited: counter('gateway_rate_limited_total', 'Requests refused by our own limits.', ['limit']),
    platformPushes: counter('gateway_platform_pushes_total', 'Pushes of events by platforms, by what became of them.', [
      'platform',
      'outcome',
    ]),
    platformEvents: counter('gateway_platform_events_total', 'Events of platforms that were worked on, by outcome.', [
      'platform',
      'event',
      'outcome',
    ]),
    platformEventsWaiting: gauge('gateway_platform_events_waiting', 'Events of platforms that wait.', ['kind']),
    platformEventsAge: gauge('gateway_platform_events_oldest_seconds', 'Age of the oldest event that waits.', ['kind']),
    discardedPictures: gauge(
      'gateway_discarded_pictures',
      'Pictures that nobody shows and that could not be deleted for an hour.',
    ),
    keyAge: gauge('gateway_signing_key_age_seconds', 'Age of the newest signing key in each state.', ['state']),
    nextRotation: gauge('gateway_signing_key_next_rotation_seconds', 'Seconds until the next key should sign.'),
    statusListAge: gauge(
      'gateway_status_list_age_seconds',
      'Seconds since the status lists were last equal to the database.',
    ),
    clockSkew: gauge(
      'gateway_clock_skew_seconds',
      "Seconds by which this replica's clock is ahead of the database's; negative when it is behind.",
    ),
    dbPool: gauge('gateway_db_pool', 'Connections to PostgreSQL.', ['state']),
    dependencyUp: gauge('gateway_dependency_up', '1 while a dependency answers.', ['dependency']),
    breakerOpen: gauge('gateway_breaker_open', '1 while calls to a dependency are held back.', ['dependency']),
    eventPushes: counter('gateway_event_pushes_total', 'Events pushed to services, by outcome.', ['target', 'outcome']),
    eventsPending: gauge('gateway_events_pending', 'Events that a service has not taken yet.', ['target']),
    eventsOldest: gauge('gateway_events_oldest_pending_seconds', 'Age of the oldest of them.', ['target']),
    eventsDead: gauge('gateway_events_dead', 'Dead letters: events that a service will not take.', ['target']),
    erasuresOverdue: gauge(
      'gateway_erasures_overdue',
      'Erasures that are not done everywhere after ERASURE_OVERDUE_HOURS.',
    ),
    jobSuccess: gauge('gateway_jobs_last_success_timestamp_seconds', 'When a job last ended well.', ['task']),
  }
}
