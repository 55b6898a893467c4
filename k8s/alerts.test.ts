/** Ties alerts, runbook and dashboard together: what they ask of Prometheus exists, and every alert says what to do. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createMetrics } from '../src/server/observability/metrics.ts'
import { type Manifest, plainFiles, root } from './render.ts'

/** As the code registers them. */
const registered = createMetrics()
  .registry.getMetricsAsArray()
  .map((metric): [string, string[]] => [
    metric.name,
    'labelNames' in metric ? [metric.labelNames].flat().map(String) : [],
  ])

const metrics: Record<string, string[]> = {
  ...Object.fromEntries(registered),
  nodejs_eventloop_lag_p99_seconds: [],
  process_resident_memory_bytes: [],
  // Prometheus' own: did the last scrape work.
  up: [],
}
const histograms = ['gateway_http_request_duration_seconds', 'gateway_upstream_duration_seconds']
const targetLabels = ['job', 'namespace', 'pod', 'le']
const words = [
  'abs',
  'sum',
  'max',
  'min',
  'by',
  'on',
  'and',
  'unless',
  'rate',
  'increase',
  'absent',
  'time',
  'histogram_quantile',
]

/** What an expression asks for that nobody offers: unknown metrics, and labels that no metric in it has. */
function unknownNames(expression: string): string[] {
  const bare = expression.replaceAll(/"[^"]*"/g, '""').replaceAll(/\[[^\]]*\]/g, '')
  const labelLists = [...bare.matchAll(/\{([^}]*)\}|\b(?:by|on)\s*\(([^)]*)\)/g)]
  const labels = labelLists.flatMap(([, matchers, list]) =>
    (matchers ?? list ?? '').split(',').map((item) => item.replace(/[=!~].*/s, '').trim()),
  )
  const names = bare
    .replaceAll(/\{[^}]*\}|\b(?:by|on)\s*\([^)]*\)/g, ' ')
    .match(/[a-zA-Z_:][\w:]*/g)
    ?.filter((name) => !words.includes(name) && !/^e\d+$/.test(name))
    .map((name) => {
      const base = name.replace(/_(bucket|sum|count)$/, '')
      return histograms.includes(base) && base !== name ? base : name
    })
  const offered = [...targetLabels, ...(names ?? []).flatMap((name) => metrics[name] ?? [])]
  return [
    ...(names ?? ['no metric']).filter((name) => !(name in metrics)),
    ...labels.filter((label) => !offered.includes(label)),
  ]
}

const plain = plainFiles().objects
const groups: Manifest[] = plain.find((object) => object.kind === 'PrometheusRule').spec.groups
const alerts: Manifest[] = groups.flatMap((group) => group.rules)
const runbook = readFileSync(join(root, 'docs/runbook.md'), 'utf8')
const headings = [...runbook.matchAll(/^#{2,4} (Gateway\w+)$/gm)].map(([, name]) => name)

describe('alerts', () => {
  it.each(alerts.map((alert) => [alert.alert, alert.expr]))(
    '%s asks only for metrics and labels that exist',
    (_name, expression) => {
      expect(unknownNames(expression)).toEqual([])
    },
  )
  it('every alert has a paragraph in the runbook and a link to it, and no paragraph is left over', () => {
    expect(headings.toSorted()).toEqual(alerts.map((alert) => alert.alert).toSorted())
    for (const { alert, annotations } of alerts) {
      expect(annotations.runbook).toBe(`docs/runbook.md#${alert.toLowerCase()}`)
    }
  })
  it('every paragraph says what the alert means, what to check and how to act', () => {
    for (const name of headings) {
      const section = runbook.split(new RegExp(`^#{2,4} ${name}$`, 'm'))[1]?.split(/^#/m)[0] ?? ''
      for (const part of ['**Meaning**', '**Check**', '**Act**']) expect(section, `${name}: ${part}`).toContain(part)
    }
  })
  it('every alert has a severity, and its labels in texts are labels of its expression', () => {
    for (const { alert, expr, labels, annotations } of alerts) {
      expect(['critical', 'warning'], alert).toContain(labels.severity)
      for (const [, label] of annotations.summary.matchAll(/\$labels\.(\w+)/g)) expect(expr, alert).toContain(label)
    }
  })
  it('the memory alert comes before the limit of the container', () => {
    const container = plain.find((object) => object.kind === 'Deployment' && object.metadata.name === 'gateway').spec
      .template.spec.containers[0]
    const limitBytes = Number(/^(\d+)Mi$/.exec(container.resources.limits.memory)?.[1]) * 2 ** 20
    const threshold = Number(/> (\S+)$/.exec(alerts.find((alert) => alert.alert === 'GatewayMemoryHigh').expr)?.[1])
    expect(threshold).toBeLessThan(limitBytes)
    expect(threshold).toBeGreaterThan(limitBytes * 0.8)
  })
  it('the scaling by logins asks only for metrics and labels that exist', () => {
    const { triggers } = plain.find((object) => object.kind === 'ScaledObject').spec
    const queries: string[] = triggers.flatMap((trigger: Manifest) => trigger.metadata.query ?? [])
    expect(queries.length).toBeGreaterThan(0)
    expect(queries.flatMap(unknownNames)).toEqual([])
  })
  it('an unknown metric and an unknown label are found', () => {
    expect(unknownNames('sum(rate(gateway_login_total[5m])) > 1')).toEqual(['gateway_login_total'])
    expect(unknownNames('sum by (appid) (rate(gateway_logins_total{result="ok"}[5m]))')).toEqual(['appid', 'result'])
  })
})

describe('dashboard', () => {
  const dashboard = JSON.parse(readFileSync(join(root, 'k8s/components/prometheus/dashboard.json'), 'utf8'))
  const panels: [string, string[]][] = dashboard.panels.map((panel: Manifest) => [
    panel.title,
    panel.targets.map((target: Manifest) => target.expr),
  ])

  it.each(panels)('%s asks only for metrics and labels that exist', (_title, expressions) => {
    expect(expressions.length).toBeGreaterThan(0)
    expect(expressions.flatMap(unknownNames)).toEqual([])
  })
  it('shows every metric of the gateway, and no two panels overlap', () => {
    const text = panels.flatMap(([, expressions]) => expressions).join('\n')
    expect(Object.keys(metrics).filter((name) => name !== 'up' && !text.includes(name))).toEqual([])
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }: Manifest) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
  })
})
