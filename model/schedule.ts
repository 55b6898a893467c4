/** A history that breaks a promise, as sentences in the order in which they happen, each with its time. */

/** The models print `|who: what` for each step, and `|tick` when a unit of time passes; steps that nobody sees print nothing. */
export function scheduleOf(lines: readonly string[]): string[] {
  const steps: { time: number; who: string; what: string }[] = []
  let time = 0
  for (const line of lines) {
    const text = line.slice(1).trim()
    if (text === 'tick') time += 1
    else {
      const colon = text.indexOf(': ')
      steps.push({ time, who: text.slice(0, colon), what: text.slice(colon + 2) })
    }
  }
  const width = Math.max(...steps.map(({ who }) => who.length))
  return steps.map(({ time: at, who, what }, index) => {
    const shown = index > 0 && steps[index - 1]?.time === at ? '' : `time ${at}`
    return `${shown.padEnd(8)}${who.padEnd(width)}  ${what}`
  })
}
