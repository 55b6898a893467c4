/** Reads a `.cpuprofile`: how much of the time each part of the program, or each package, asked for. */

/** Of the Chrome DevTools protocol (Profiler.Profile); times in microseconds. */
export type Profile = {
  nodes: {
    id: number
    callFrame: { functionName: string; url: string }
    children?: number[]
  }[]
  startTime: number
  samples: number[]
  timeDeltas: number[]
}

export type Shares = {
  /** Share of the busy time, the largest first. */
  owners: { owner: string; share: number }[]
  /** Share of the window in which the thread had work. */
  busy: number
}

export function sharesOf(profile: Profile, { fromUs, toUs }: { fromUs: number; toUs: number }): Shares {
  const owners = ownersOf(profile)
  const spent = new Map<string, number>()
  let at = profile.startTime
  profile.samples.forEach((node, index) => {
    const lasted = profile.timeDeltas[index] ?? 0
    at += lasted
    if (at < fromUs || at > toUs) return
    const owner = owners.get(node) ?? 'unknown'
    spent.set(owner, (spent.get(owner) ?? 0) + lasted)
  })
  const idle = spent.get(IDLE) ?? 0
  spent.delete(IDLE)
  const busy = [...spent.values()].reduce((sum, time) => sum + time, 0)
  return {
    owners: [...spent].map(([owner, time]) => ({ owner, share: time / busy })).toSorted((a, b) => b.share - a.share),
    busy: busy / (busy + idle),
  }
}

const IDLE = '(idle)'

/** The owner of every node: its own, or the one it was called by. */
function ownersOf({ nodes }: Profile): Map<number, string> {
  const owners = new Map<number, string>()
  // A parent always comes before its children.
  for (const { id, callFrame, children = [] } of nodes) {
    const inherited = owners.get(id)
    const owner = ownerOf(callFrame) ?? inherited ?? 'Node.js: HTTP, sockets, event loop'
    owners.set(id, owner)
    for (const child of children) if (isOwned(owner)) owners.set(child, owner)
  }
  return owners
}

const isOwned = (owner: string) => !owner.startsWith('(') && !owner.startsWith('Node.js')

function ownerOf({ functionName, url }: Profile['nodes'][number]['callFrame']): string | undefined {
  if (functionName === '(garbage collector)') return '(garbage collector)'
  if (functionName === '(idle)') return IDLE
  if (functionName === '(program)') return '(native code outside JavaScript)'
  const ours = /\/(src\/(?:server\/)?[^/]+)(?:\/|$)/.exec(url.includes('/node_modules/') ? '' : url)?.[1]
  if (ours) return ours
  const inside = url.split('/node_modules/').at(-1) ?? ''
  if (url.includes('/node_modules/'))
    return inside
      .split('/')
      .slice(0, inside.startsWith('@') ? 2 : 1)
      .join('/')
  return undefined
}
