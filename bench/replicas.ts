/** `node bench/replicas.ts`: how far 1, 2 and 4 gateway processes on the same stores get, and which side is then the limit. */

import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { gateway } from './contestants.ts'
import { cpuSeconds, machineBusySeconds, residentMegabytes } from './processes.ts'
import { type ReplicaResult, type ReplicaSample, replicaTables } from './replica-report.ts'
import { saveResult } from './results.ts'
import { createRunner, type Runner } from './runner.ts'
import { enrol, refreshTokensOf } from './scenarios.ts'
import { type Site, startSite } from './site.ts'

const USAGE = 'node bench/replicas.ts [--processes 1,2,4] [--rounds n] [--seconds n]'

const CONNECTIONS = 256
const USERS = 30_000

const options = readOptions()
const say = (text: string) => process.stderr.write(`${text}\n`)
const runners: Runner[] = []
const site = await startSite()
try {
  const result = await compare(site)
  console.log(replicaTables(result))
  saveResult('replicas', result)
  const failures = Object.values(result.scenarios).flatMap((by) => Object.values(by).flat())
  if (failures.some((sample) => sample.refused + sample.broken > 0)) {
    say('requests failed: these figures count for nothing')
    process.exitCode = 1
  }
} finally {
  await Promise.all(runners.map((runner) => runner.stop()))
  await site.stop()
}

/** All processes run all the time; those that get no load cost next to nothing. */
async function compare(site: Site): Promise<ReplicaResult> {
  const most = Math.max(...options.processes)
  const first = await addReplica(site)
  await enrol(first, site, USERS)
  while (runners.length < most) await addReplica(site, first)
  const scenarios: ReplicaResult['scenarios'] = {}
  for (const kind of ['login', 'refresh'] as const) {
    const samples: Record<string, ReplicaSample[]> = Object.fromEntries(options.processes.map((count) => [count, []]))
    for (let round = 0; round < options.rounds; round += 1) {
      for (const count of round % 2 === 0 ? options.processes : options.processes.toReversed()) {
        const sample = await measure(site, kind, runners.slice(0, count))
        samples[count]?.push(sample)
        say(`${kind} ${round + 1}/${options.rounds} ${count} processes: ${sample.perSecond.toFixed(0)}/s`)
      }
    }
    scenarios[kind] = samples
  }
  const { rounds, seconds } = options
  return { rounds, seconds, connections: CONNECTIONS, cores: cpus().length, scenarios }
}

async function addReplica(site: Site, first?: Runner): Promise<Runner> {
  const replica = {
    ...gateway,
    name: 'replicas',
    // One service, however many processes.
    env: (at: Parameters<typeof gateway.env>[0]) => ({ ...gateway.env(at), ISSUER: 'http://127.0.0.1' }),
  }
  const runner = await createRunner(replica, site, first ? { shared: first.stores } : {})
  runners.push(runner)
  await runner.start()
  await runner.check()
  return runner
}

async function measure(site: Site, kind: 'login' | 'refresh', used: Runner[]): Promise<ReplicaSample> {
  const [first] = used
  const { login, refresh = '' } = gateway.paths
  const load = {
    ports: used.map((runner) => runner.port),
    path: kind === 'login' ? login : refresh,
    kind,
    connections: CONNECTIONS,
    users: USERS,
    ...(first && kind === 'refresh' ? { refreshTokens: await refreshTokensOf(first, CONNECTIONS) } : {}),
  }
  const bills: Record<keyof ReplicaSample['cores'], number>[] = []
  const figures = await site.generators.run(load, options.warmUpSeconds, options.seconds, () => {
    bills.push({
      gateways: used.reduce((sum, runner) => sum + cpuSeconds(runner.pid), 0),
      postgres: cpuSeconds(site.pids.postgres),
      redis: cpuSeconds(site.pids.redis),
      wechat: cpuSeconds(site.pids.wechat),
      load: site.generators.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0),
      machine: machineBusySeconds(),
    })
  })
  const cores = (part: keyof ReplicaSample['cores']) =>
    ((bills[1]?.[part] ?? 0) - (bills[0]?.[part] ?? 0)) / figures.seconds
  return {
    ...figures,
    perSecond: figures.requests / figures.seconds,
    gatewayMegabytes: used.reduce((sum, runner) => sum + residentMegabytes(runner.pid), 0),
    cores: {
      gateways: cores('gateways'),
      postgres: cores('postgres'),
      redis: cores('redis'),
      wechat: cores('wechat'),
      load: cores('load'),
      machine: cores('machine'),
    },
  }
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      processes: { type: 'string', default: '1,2,4' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '5' },
      help: { type: 'boolean', default: false },
    },
  })
  const processes = values.processes.split(',').map(Number)
  const numbers = { rounds: Number(values.rounds), seconds: Number(values.seconds) }
  if (values.help || ![...processes, ...Object.values(numbers)].every((value) => value > 0)) {
    console.error(USAGE)
    process.exit(values.help ? 0 : 2)
  }
  return { processes: processes.toSorted((a, b) => a - b), ...numbers, warmUpSeconds: 2 }
}
