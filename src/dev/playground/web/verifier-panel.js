/** What the verifier of the business service says to the phone's token, asked again and again, and how long it took to notice an end. */
import { byId, setWord } from './dom.js'
import { decode } from './token-panel.js'

const SLOW_MS = 2000
const FAST_MS = 500
/** The gateway's own delay on top of the list's lifetime (contract, section 7). */
const PUBLISHING_SECONDS = 5

export function createVerifierPanel({ statusListTtlSeconds, onJournal }) {
  const boundSeconds = statusListTtlSeconds + PUBLISHING_SECONDS
  let current
  /** A token whose session has ended, watched until it is refused. */
  let ended
  /** How much of the server's journal has been told. */
  let told
  let timer
  let asking

  setWord(byId('bound'), 'bound', { seconds: String(boundSeconds) })

  /** One question at a time: whoever asks meanwhile waits for the answer under way. */
  async function ask() {
    clearTimeout(timer)
    asking ??= askOnce().finally(() => {
      asking = undefined
      timer = setTimeout(ask, ended && ended.noticedMs === undefined ? FAST_MS : SLOW_MS)
    })
    await asking
  }

  async function askOnce() {
    const asked = ended && ended.noticedMs === undefined ? ended : current
    const token = asked?.token
    try {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
      const reply = await fetch(`/playground/state${told === undefined ? '' : `?after=${told}`}`, {
        headers,
        cache: 'no-store',
      })
      if (!reply.ok) throw new Error(`answered ${reply.status}`)
      const { verdict, verifier, journal, sequence } = await reply.json()
      told = sequence
      onJournal(journal)
      if (asked !== undefined && asked === ended && verdict?.accepted === false) {
        ended.noticedMs = performance.now() - ended.at
        ended.code = verdict.code
      }
      show(asked, verdict)
      age('keys-age', verifier.keys.ageSeconds)
      const uri = token && decode(token).claims.status?.status_list.uri
      const list = verifier.statusLists.find((one) => one.uri === uri)
      age('list-age', list?.confirmedSeconds ?? null, 'confirmed')
    } catch {
      setVerdict('bad', 'serverGone')
    }
  }

  function show(asked, verdict) {
    const stopwatch = byId('stopwatch')
    stopwatch.hidden = !ended
    if (ended) {
      const seconds = ((ended.noticedMs ?? performance.now() - ended.at) / 1000).toFixed(1)
      setWord(stopwatch, ended.noticedMs === undefined ? 'stopwatch' : 'noticed', { seconds })
    }
    if (ended && ended.noticedMs === undefined) setVerdict('waiting', 'endedAccepted')
    else if (ended && (asked === ended || !current)) setVerdict('refused', 'endedRefused', { code: ended.code })
    else if (!verdict) setVerdict('', 'verdictNone')
    else if (verdict.accepted) setVerdict('accepted', 'verdictAccepted')
    else setVerdict('refused', 'verdictRefused', { code: verdict.code })
  }

  /** Only a change is written, so that a screen reader hears changes and not the clock. */
  function setVerdict(state, word, vars = {}) {
    const verdict = byId('verdict')
    const now = JSON.stringify([word, vars])
    if (verdict.dataset.now === now) return
    verdict.dataset.now = now
    verdict.dataset.state = state
    setWord(verdict, word, vars)
  }

  return {
    ask,
    /** The token in the phone's storage, or undefined. */
    watch(token) {
      current = token === undefined ? undefined : { token }
    },
    /** From now on the stopwatch runs, until this token is refused. */
    sessionEnded(token) {
      ended = { token, at: performance.now() }
      return ask()
    },
    /** A new session: the story of the old one has been told. */
    forgetEnded() {
      if (ended?.noticedMs !== undefined) ended = undefined
    },
  }
}

function age(id, seconds, word = 'secondsOld') {
  if (seconds === null) setWord(byId(id), 'notYet')
  else setWord(byId(id), word, { seconds: String(seconds) })
}
