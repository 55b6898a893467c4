/** `npm run mutants`: breaks the gateway on purpose and looks whether its tests notice, by Stryker and by a list of our own. */
import { parseArgs } from 'node:util'
import { runOwnList } from './own-list.ts'
import { isCurrent, readReasons, readReport, type Score, type Survivor, scoreOf, unexplained } from './report.ts'
import { type Room, rooms } from './rooms.ts'

const HELP = `npm run mutants                    the rooms whose sources or tests changed since their last run, then the list
npm run mutants -- --all           every mutant of every room, and the list
npm run mutants -- --room keys     one room (or several, comma separated): ${rooms.map(({ name }) => name).join(', ')}
npm run mutants -- --file F        one source file of a room
npm run mutants -- --list          the list alone (mutation/mutants.txt); --only NAME: those whose name begins so
`

const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    room: { type: 'string' },
    file: { type: 'string' },
    list: { type: 'boolean', default: false },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

const say = (text: string) => void process.stdout.write(`${text}\n`)

async function main(): Promise<boolean> {
  if (values.help) {
    say(HELP)
    return true
  }
  if (values.list || values.only !== undefined) return runOwnList(values.only)
  const chosen = chosenRooms()
  if (chosen.length === 0) throw new Error(`no such room or file\n${HELP}`)
  let good = true
  for (const room of chosen) good = (await tryRoom(room)) && good
  if (values.room !== undefined || values.file !== undefined) return good
  return runOwnList(undefined) && good
}

function chosenRooms(): Room[] {
  const names = values.room?.split(',')
  return rooms.filter(
    ({ name, sources }) =>
      (names === undefined || names.includes(name)) && (values.file === undefined || sources.includes(values.file)),
  )
}

async function tryRoom(room: Room): Promise<boolean> {
  // What is asked for by name runs in any case: Stryker itself sees which mutants need it.
  const named = values.room !== undefined || values.file !== undefined
  if (values.all || named || !isCurrent(room, readReport(room))) {
    say(`${room.name}: ${room.sources.length} files, ${room.tests.length} test files …`)
    const { runStryker } = await import('./stryker.ts')
    await runStryker(room, { files: values.file === undefined ? room.sources : [values.file], whole: values.all })
  }
  const report = readReport(room)
  if (!report) throw new Error(`Stryker left no report of ${room.name}`)
  return tell(room, scoreOf(room, report))
}

/** True when the room reaches its score, and nothing survives unexplained where that is not allowed. */
function tell({ name, least, security }: Room, { caught, valid, percent, survivors }: Score): boolean {
  const open = unexplained(survivors, readReasons())
  for (const survivor of open) say(`\n${shown(survivor)}`)
  const reached = percent >= least
  const explained = !security || open.length === 0
  say(
    `${reached && explained ? 'ok  ' : 'FAIL'} ${name}: ${percent.toFixed(1)} % (${caught} of ${valid}), ${least} % asked`,
  )
  if (security && !explained) say(`     ${open.length} survivors without a reason in mutation/survivors.txt`)
  return reached && explained
}

/** As it would stand in survivors.txt. */
function shown({ file, from, to, line, covered }: Survivor): string {
  const marked = (mark: string, text: string) => text.split('\n').map((one) => `${mark} ${one}`)
  return [
    `# line ${line}${covered ? '' : ', which no test of the room runs'}`,
    `@ ${file}`,
    ...marked('-', from),
    ...marked('+', to),
  ].join('\n')
}

process.exitCode = (await main()) ? 0 : 1
