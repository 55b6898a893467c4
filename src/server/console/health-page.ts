/** Stores, clocks, platforms and jobs as the replica that answers sees them. */
import { facts, mark, table, time } from './form.ts'
import { html } from './html.ts'
import { dataOf, type View } from './visit.ts'

type Health = {
  replica: string
  stores: { postgres: 'up' | 'down'; redis: 'up' | 'down' }
  pool: { total: number; idle: number; waiting: number }
  clock: { process_time: string; database_time: string | null; ahead_seconds: number; problem: string | null }
  platforms: { platform: string; held_back: boolean; calls: number; failed: number }[]
  status_list_age_seconds: number
  jobs: { job: string; last_success_at: string }[]
}

export const healthView: View = async (visit) => {
  const { words, ask } = visit
  const told = words.health
  const health = dataOf(await ask('GET', '/admin/health')) as Health
  const { stores, pool, clock, platforms, jobs } = health
  const state = (up: 'up' | 'down') => mark(told[up], up === 'up' ? 'good' : 'bad')
  const rounded = (value: number) => told.seconds(Math.round(value * 10) / 10)
  const body = html`<h1>${told.title}</h1>
<p class="faint">${told.replica}: <code>${health.replica}</code>. ${told.each}</p>
<div class="columns"><div class="column">
<section class="panel"><h2>${told.stores}</h2>${facts([
    ['PostgreSQL', state(stores.postgres)],
    ['Redis', state(stores.redis)],
    [told.pool, told.poolText(pool.total, pool.idle, pool.waiting)],
    [told.statusLists, told.ageSeconds(Math.round(health.status_list_age_seconds))],
  ])}</section>
<section class="panel"><h2>${told.platforms}</h2>${table(
    told.platforms,
    [told.platform, told.state, told.calls, told.failed],
    platforms.map((one) => [
      one.platform,
      one.held_back ? mark(told.heldBack, 'bad') : mark(told.platformUp, 'good'),
      String(one.calls),
      String(one.failed),
    ]),
  )}</section>
</div><div class="column">
<section class="panel"><h2>${told.clocks}</h2>${clock.problem === null ? '' : html`<p class="say bad">${clock.problem}</p>`}${facts(
    [
      [told.processTime, time(visit, clock.process_time)],
      [told.databaseTime, clock.database_time === null ? told.unknown : time(visit, clock.database_time)],
      [told.ahead, mark(rounded(clock.ahead_seconds), Math.abs(clock.ahead_seconds) > 5 ? 'bad' : 'good')],
    ],
  )}</section>
<section class="panel"><h2>${told.jobs}</h2>${
    jobs.length === 0
      ? html`<p>${told.noJobs}</p>`
      : table(
          told.jobs,
          [told.job, told.lastSuccess],
          jobs.map(({ job, last_success_at }) => [job, time(visit, last_success_at)]),
        )
  }</section>
</div></div>`
  return { title: told.title, body }
}
