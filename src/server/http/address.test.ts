/** Every spelling of an address is one client. */
import { describe, expect, test } from 'vitest'
import { networkOf, readAddress } from './address.ts'

test.each([
  '203.0.113.7',
  '::ffff:203.0.113.7',
  '::FFFF:203.0.113.7',
  '::ffff:cb00:7107',
  '0:0:0:0:0:ffff:203.0.113.7',
  '0000:0000:0000:0000:0000:FFFF:CB00:7107',
  '::ffff:203.0.113.7%eth0',
  '::ffff:0:203.0.113.7',
  '64:ff9b::203.0.113.7',
  '64:FF9B::cb00:7107',
  '0064:ff9b:0000:0000:0000:0000:cb00:7107',
  '2002:cb00:7107::1',
])('%s is the client 203.0.113.7', (address) => {
  expect([readAddress(address), networkOf(address)]).toEqual(['203.0.113.7', '203.0.113.7'])
})

test.each([
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8::/64'],
  ['2001:db8:0001:0002:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
  ['2001:db8:1:2:3:4:192.0.2.1', '2001:db8:1:2::/64'],
  ['::1', '::/64'],
  ['fe80::1%eth0', 'fe80::/64'],
  [undefined, 'unknown'],
])('%s is counted as %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})

test('two addresses of one /64 are counted together, the neighbour is not', () => {
  expect(networkOf('2001:db8:1:2:aaaa::1')).toBe(networkOf('2001:db8:1:2:bbbb::2'))
  expect(networkOf('2001:db8:1:3::1')).not.toBe(networkOf('2001:db8:1:2::1'))
})

describe('is no address:', () => {
  test.each(['', 'unknown', '127.1', '0x7f.1', '010.0.0.1', '256.1.1.1', '1.2.3.4.', ':::', '1::2::3', '_hidden'])(
    '"%s"',
    (text) => {
      expect(readAddress(text)).toBeUndefined()
    },
  )
})
