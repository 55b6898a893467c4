/** A bar for a person who waits; a line for every tenth where nobody looks, as in a log. */

const WIDTH = 30

export function createProgress(title: string, total: number) {
  const begin = performance.now()
  const seconds = () => (performance.now() - begin) / 1000
  let done = 0
  let told = 0
  return {
    add(rows: number) {
      done += rows
      const share = done / total
      const filled = Math.round(share * WIDTH)
      const text = `${title} ${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${Math.floor(share * 100)} %, ${seconds().toFixed(0)} s`
      if (process.stderr.isTTY) process.stderr.write(`\r${text}${done >= total ? '\n' : ''}`)
      else if (share - told >= 0.1 || done >= total) {
        told = share
        process.stderr.write(`${text}\n`)
      }
    },
    seconds,
  }
}
