/** What an address is counted as: IPv4 whole, IPv6 by its /64. */

/**
 * What an address is counted as: IPv4 whole, IPv6 by its /64, the least that one subscriber gets (RFC 6177 section 2). Requests
 * whose address is unknown are counted together.
 */
export function networkOf(address: string | undefined): string {
  if (address === undefined) return 'unknown'
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('%', 1)[0]?.split('::') ?? []
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  // A dotted IPv4 ending stands for two groups, all of them behind the first four.
  const missing = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length - (tail.includes('.') ? 1 : 0))
  const groups = [...front, ...Array<string>(missing).fill('0'), ...back].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
