/** A long run in one picture: a panel each for memory, connections and latency over time, with the faults behind them. */

export type Line = { name: string; values: readonly number[] }
export type Panel = { title: string; unit: string; lines: readonly Line[] }
export type Picture = {
  title: string
  /** Seconds, one for each value of a line. */
  at: readonly number[]
  panels: readonly Panel[]
  /** When something was broken, in seconds. */
  bands: readonly { from: number; to: number }[]
}

const WIDTH = 1200
const PANEL = 240
const LEFT = 70
const RIGHT = 190
const TOP = 60
const PLOT = { width: WIDTH - LEFT - RIGHT, height: PANEL - 60 }
/** Told apart without red and green (Okabe and Ito). */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00']
const TICKS = 4

export function draw({ title, at, panels, bands }: Picture): string {
  const end = Math.max(1, at.at(-1) ?? 1)
  const x = (seconds: number) => LEFT + (Math.min(seconds, end) / end) * PLOT.width
  const height = TOP + panels.length * PANEL
  const parts = panels.map((panel, index) => drawPanel({ panel, at, bands, x, end, top: TOP + index * PANEL }))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="13">
<title>${escaped(title)}</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="${LEFT}" y="30" font-size="18" fill="#222">${escaped(title)}</text>
${parts.join('\n')}
</svg>
`
}

type PanelParts = Pick<Picture, 'at' | 'bands'> & {
  panel: Panel
  x: (seconds: number) => number
  end: number
  top: number
}

function drawPanel({ panel, at, bands, x, end, top }: PanelParts): string {
  const highest = roundUp(Math.max(1, ...panel.lines.flatMap(({ values }) => values.filter(Number.isFinite))))
  const bottom = top + 20 + PLOT.height
  const y = (value: number) => bottom - (value / highest) * PLOT.height
  const ticks = Array.from({ length: TICKS + 1 }, (_, tick) => tick / TICKS)
  return [
    `<text x="${LEFT}" y="${top + 10}" fill="#222">${escaped(`${panel.title} (${panel.unit})`)}</text>`,
    ...bands.map(({ from, to }) => {
      const width = Math.max(1, x(to) - x(from))
      return `<rect x="${shown(x(from))}" y="${top + 20}" width="${shown(width)}" height="${PLOT.height}" fill="#eeeeee"/>`
    }),
    ...ticks.flatMap((share) => [
      `<line x1="${LEFT}" x2="${LEFT + PLOT.width}" y1="${shown(y(share * highest))}" y2="${shown(y(share * highest))}" stroke="#cccccc"/>`,
      `<text x="${LEFT - 8}" y="${shown(y(share * highest) + 4)}" text-anchor="end" fill="#444">${shown(share * highest)}</text>`,
      `<text x="${shown(x(share * end))}" y="${bottom + 18}" text-anchor="middle" fill="#444">${shown((share * end) / 60)} min</text>`,
    ]),
    ...panel.lines.flatMap(({ name, values }, index) => {
      const colour = COLOURS[index % COLOURS.length]
      return [
        `<path d="${pathOf(values.map((value, n) => [x(at[n] ?? 0), y(value)]))}" fill="none" stroke="${colour}" stroke-width="1.6"/>`,
        `<text x="${LEFT + PLOT.width + 12}" y="${top + 34 + index * 18}" fill="${colour}">${escaped(name)}</text>`,
      ]
    }),
  ].join('\n')
}

/** A gap where there is no value. */
function pathOf(points: readonly (readonly [number, number])[]): string {
  let drawing = false
  return points
    .map(([px, py]) => {
      const step = Number.isFinite(py) ? `${drawing ? 'L' : 'M'}${shown(px)} ${shown(py)}` : ''
      drawing = Number.isFinite(py)
      return step
    })
    .join('')
}

/** 1, 2 or 5 and zeros. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 2.5, 4, 5, 6, 8].find((step) => step * power >= value) ?? 10) * power
}

const shown = (value: number): string => String(Math.round(value * 10) / 10)

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
