/** Every form of REDIS_URL is read as written, and what has none of the forms is refused. */
import { describe, expect, test } from 'vitest'
import { parseRedisUrl } from './redis-url.ts'

describe('REDIS_URL', () => {
  test.each(['redis://127.0.0.1', 'rediss://user:p%40ss@cache.example.com:6380/2'])('%s is one server', (url) => {
    expect(parseRedisUrl(url)).toEqual({ kind: 'server', url })
  })

  test('Sentinels, a master name, a login for Redis and one for the Sentinels', () => {
    const url = 'redis+sentinel://app:p%40ss%2Fword@s1:26380,s2,[::1]:26381/my-master?db=3&sentinelPassword=s%26s'
    expect(parseRedisUrl(url)).toEqual({
      kind: 'sentinel',
      tls: false,
      hosts: [
        { host: 's1', port: 26_380 },
        { host: 's2', port: 26_379 },
        { host: '::1', port: 26_381 },
      ],
      login: { username: 'app', password: 'p@ss/word' },
      masterName: 'my-master',
      db: 3,
      sentinelLogin: { password: 's&s' },
    })
  })

  test('a Cluster over TLS with a password alone', () => {
    expect(parseRedisUrl('rediss+cluster://:secret@a.example.com:7000,b.example.com')).toEqual({
      kind: 'cluster',
      tls: true,
      hosts: [
        { host: 'a.example.com', port: 7000 },
        { host: 'b.example.com', port: 6379 },
      ],
      login: { password: 'secret' },
    })
  })

  test.each([
    ['another scheme', 'memcached://a'],
    ['an unknown topology', 'redis+ring://a'],
    ['no host', 'redis+cluster://'],
    ['an empty host in the list', 'redis+cluster://a,,b'],
    ['a port out of range', 'redis+cluster://a:70000'],
    ['a database in a Cluster, which has none', 'redis+cluster://a/1'],
    ['a parameter for a Cluster', 'redis+cluster://a?db=1'],
    ['Sentinels without a master name', 'redis+sentinel://a,b'],
    ['a database that is no number', 'redis+sentinel://a/m?db=x'],
    ['a misspelt parameter', 'redis+sentinel://a/m?sentinelPasword=x'],
    ['a password with a bad escape', 'redis+cluster://:%zz@a'],
    ['a list of hosts for one server', 'redis://a:1,b:2'],
  ])('%s is refused', (_what, url) => {
    expect(parseRedisUrl(url)).toBeUndefined()
  })
})
