/** `npm run bench`: the gateway beside its floors, in alternating rounds on one machine; a table for people, JSON for later. */

import { parseArgs } from 'node:util'
import { CONTESTANTS, PEERS } from './contestants.ts'
import { failuresIn, type Rounds } from './figures.ts'
import { goals } from './goals.ts'
import { goalTable, scenarioTable, startUpTable } from './report.ts'
import { saveResult } from './results.ts'
import { createRunner, type Runner } from './runner.ts'
import { COLD, enrol, enrolCold, measure, SCENARIOS, type Scenario, USERS } from './scenarios.ts'
import { type Site, startSite } from './site.ts'
import { measureStartUp } from './start-up.ts'
import { measureStatusLists, statusListGoals, statusListTable } from './status-list.ts'
import { measureVerifier, verifierTable } from './verifier.ts'
import { failuresOf, measureOpen, measureSaturated, waitingGoals, waitingTable } from './waiting.ts'

const KNOWN = ['start', ...SCENARIOS.map((scenario) => scenario.name), COLD.name, 'waiting', 'verifier', 'status-list']
const USAGE = `npm run bench -- [--quick] [--only login,jwks] [--contestants gateway,bare] [--subject gateway] [--rounds n] [--seconds n] [--users n] [--no-save]
scenarios: ${KNOWN.join(', ')}
contestants: ${CONTESTANTS.map((contestant) => contestant.name).join(', ')}`

const options = readOptions()
const say = (text: string) => process.stderr.write(`${text}\n`)
const site = await startSite()
const runners: Runner[] = []
try {
  await bench(site)
} finally {
  await Promise.all(runners.map((runner) => runner.stop()))
  await site.stop()
}

async function bench(site: Site) {
  let sameJwks: string | undefined
  for (const contestant of options.contestants) {
    const runner = await createRunner(contestant, site, { sameJwks })
    runners.push(runner)
    say(`${contestant.name}: ${(await runner.start()).toFixed(0)} ms to the first 200`)
    await runner.check()
    if (contestant.name === options.subject && contestant.paths.jwks) {
      sameJwks = await documentAt(runner.url + contestant.paths.jwks)
    }
  }

  const startUp = options.only('start') ? await measureStartUp(runners, options.startRounds) : new Map()
  if (startUp.size > 0) console.log(startUpTable(startUp))

  for (const runner of runners) {
    say(`${runner.contestant.name}: everybody logs in once`)
    await enrol(runner, site, options.users)
  }
  const results = new Map<string, Rounds>()
  for (const scenario of SCENARIOS.filter(({ name }) => options.only(name))) {
    const rounds = await runScenario(scenario, site, runners)
    results.set(scenario.name, rounds)
    console.log(scenarioTable(scenario, rounds))
  }
  const gateway = runners.find(({ contestant }) => contestant.name === options.subject)
  if (gateway && options.only(COLD.name)) results.set(COLD.name, await runCold(gateway, site))
  const waiting =
    gateway && options.only('waiting')
      ? { saturated: await measureSaturated(gateway, site, options), open: await measureOpen(gateway, site, options) }
      : undefined
  if (waiting) console.log(waitingTable(waiting))
  const verifier = gateway && options.only('verifier') ? await measureVerifier(gateway, options.rounds) : undefined
  if (verifier) console.log(verifierTable(verifier))
  const statusLists = options.only('status-list') ? await measureStatusLists() : undefined
  if (statusLists) console.log(statusListTable(statusLists))
  const failures =
    failuresIn([...results.values()].map((rounds) => Object.fromEntries(rounds))) + (waiting ? failuresOf(waiting) : 0)
  const reached = [
    ...goals(results, startUp, options.subject),
    ...(waiting ? waitingGoals(waiting) : []),
    ...(statusLists ? statusListGoals(statusLists) : []),
  ]
  console.log(goalTable(reached, options.subject))
  const { rounds, seconds, warmUpSeconds, subject } = options
  const kind = options.contestants.some((contestant) => PEERS.includes(contestant)) ? 'peers' : 'bench'
  const result = {
    rounds,
    seconds,
    warmUpSeconds,
    subject,
    startUp: Object.fromEntries(startUp),
    results: plain(results),
    goals: reached,
    verifier,
    statusLists,
    waiting,
  }
  if (options.save) saveResult(kind, result)
  if (failures > 0) {
    say(`${failures} requests failed: these figures count for nothing`)
    process.exitCode = 1
  }
}

/** A document with the headers that its server chose, as JSON: the floors serve both, so that the same bytes are compared. */
async function documentAt(url: string): Promise<string> {
  const reply = await fetch(url)
  const ofTheConnection = ['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding']
  const headers = [...reply.headers].filter(([name]) => !ofTheConnection.includes(name))
  return JSON.stringify({ body: await reply.text(), headers: Object.fromEntries(headers) })
}

/** The subject beside itself on a database that was never analysed. */
async function runCold(subject: Runner, site: Site): Promise<Rounds> {
  const cold = await createRunner({ ...subject.contestant, name: 'never-analysed' }, site)
  runners.push(cold)
  await enrolCold(cold, site)
  const rounds = await runScenario(COLD, site, [subject, cold])
  console.log(scenarioTable(COLD, rounds))
  return rounds
}

/** Every round asks every contestant, the next round in the opposite order. */
async function runScenario(scenario: Scenario, site: Site, runners: Runner[]): Promise<Rounds> {
  const rounds: Rounds = new Map(runners.map((runner) => [runner.contestant.name, []]))
  for (let round = 0; round < options.rounds; round += 1) {
    for (const runner of round % 2 === 0 ? runners : runners.toReversed()) {
      const sample = await measure(scenario, runner, site, options)
      rounds.get(runner.contestant.name)?.push(sample)
      const found = sample ? `${sample.perSecond.toFixed(0)}/s, p99 ${sample.p99Ms.toFixed(1)} ms` : 'cannot'
      const wrong =
        sample && sample.refused + sample.broken > 0
          ? ` REFUSED ${sample.refused} BROKEN ${sample.broken} ${sample.firstRefusal ?? ''}`
          : ''
      say(`${scenario.name} ${round + 1}/${options.rounds} ${runner.contestant.name}: ${found}${wrong}`)
    }
  }
  return rounds
}

function plain(results: Map<string, Rounds>) {
  return Object.fromEntries([...results].map(([scenario, rounds]) => [scenario, Object.fromEntries(rounds)]))
}

function readOptions() {
  const { values } = parseArgs({
    allowNegative: true,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      contestants: { type: 'string', default: 'gateway,bare,batched' },
      subject: { type: 'string', default: 'gateway' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      users: { type: 'string' },
      save: { type: 'boolean', default: true },
      help: { type: 'boolean', default: false },
    },
  })
  const only = values.only?.split(',')
  const names = values.contestants.split(',')
  const unknown = [
    ...(only ?? []).filter((name) => !KNOWN.includes(name)),
    ...names.filter((name) => !CONTESTANTS.some((contestant) => contestant.name === name)),
  ]
  if (values.help || unknown.length > 0) {
    console.error(unknown.length > 0 ? `unknown: ${unknown.join(', ')}\n${USAGE}` : USAGE)
    process.exit(values.help ? 0 : 2)
  }
  const quickOut = ['login-new', 'wechat50-64', COLD.name, 'waiting', 'verifier', 'status-list']
  return {
    // The subject first: the floors serve its JWKS.
    contestants: CONTESTANTS.filter((contestant) => names.includes(contestant.name)).toSorted(
      (a, b) => Number(b.name === values.subject) - Number(a.name === values.subject),
    ),
    subject: values.subject,
    only: (name: string) => (only ? only.includes(name) : !(values.quick && quickOut.includes(name))),
    rounds: Number(values.rounds ?? (values.quick ? 1 : 5)),
    seconds: Number(values.seconds ?? (values.quick ? 1.5 : 5)),
    quick: values.quick,
    warmUpSeconds: values.quick ? 1 : 3,
    users: Number(values.users ?? USERS),
    save: values.save,
    startRounds: values.quick ? 1 : 5,
  }
}
