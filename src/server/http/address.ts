/** Reads an IP address in any of its spellings, so that one client is one address to the limits and to the audit trail. */
import ipaddr from 'ipaddr.js'

/**
 * The canonical spelling, or undefined for what is no address. An IPv6 address that stands for an IPv4 one is told as that:
 * mapped (RFC 4291 section 2.5.5.2), translated (64:ff9b::/96 of RFC 6052 section 2.1, RFC 8215, RFC 6145) or 6to4 (RFC 3056).
 */
export function readAddress(text: string): string | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return text
  const [address = ''] = text.split('%', 1)
  // Without a colon it would be IPv4 in one of the forms that only C's inet_aton() reads, such as 0x7f.1.
  if (!address.includes(':') || !ipaddr.IPv6.isValid(address)) return undefined
  const parsed = ipaddr.IPv6.parse(address)
  return (ipv4Within(parsed) ?? parsed).toString()
}

function ipv4Within(address: ipaddr.IPv6): ipaddr.IPv4 | undefined {
  const bytes = address.toByteArray()
  const range = address.range()
  if (['ipv4Mapped', 'rfc6052', 'rfc6145'].includes(range)) return new ipaddr.IPv4(bytes.slice(12))
  if (range === '6to4') return new ipaddr.IPv4(bytes.slice(2, 6))
  return undefined
}

/**
 * What an address is counted as: IPv4 whole, IPv6 by its /64, the least that one subscriber gets (RFC 6177 section 2). Requests
 * whose address is unknown are counted together.
 */
export function networkOf(address: string | undefined): string {
  const read = readAddress(address ?? '')
  if (read === undefined) return 'unknown'
  return read.includes(':') ? `${ipaddr.IPv6.networkAddressFromCIDR(`${read}/64`).toString()}/64` : read
}
