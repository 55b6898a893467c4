/** What every cache promises, with races, as a suite that runs on each way to keep one. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cache } from '../../server/storage/cache.ts'

/** Two replicas' views of the same cache. */
export type CachePair = { one: Cache; other: Cache; close(): Promise<void> }

export function describeCache(name: string, open: () => Promise<CachePair>): void {
  describe(name, () => {
    let pair: CachePair
    let one: Cache
    let other: Cache
    beforeAll(async () => {
      pair = await open()
      one = pair.one
      other = pair.other
    })
    afterAll(() => pair?.close())

    /** The same step many times at once, from two replicas. */
    const race = <T>(step: (cache: Cache, index: number) => Promise<T>) =>
      Promise.all(Array.from({ length: 100 }, (_, index) => step(index % 2 ? one : other, index)))
    const winners = (results: boolean[]) => results.filter(Boolean).length

    test('what is set is there for every replica, byte for byte, and replaced by the next', async () => {
      for (const value of ['', 'text', '中文 😀', 'a\0b', 'x'.repeat(100_000)]) {
        await one.set('plain', value, 60_000)
        expect(await other.get('plain')).toBe(value)
      }
      expect(await one.get('nothing')).toBeUndefined()
    })

    test('of parallel setIfAbsent on one key exactly one wins, and its value stays', async () => {
      const results = await race((cache, index) => cache.setIfAbsent('absent', String(index), 60_000))
      expect(winners(results)).toBe(1)
      expect(await one.get('absent')).toBe(String(results.indexOf(true)))
    })

    test('of parallel raises the highest stays, whoever comes last, and each is told at least its own', async () => {
      const base = 2 ** 40
      const results = await race((cache, index) => cache.raise('raised', base + ((index * 37) % 100), 60_000))
      results.forEach((result, index) => {
        expect(result).toBeGreaterThanOrEqual(base + ((index * 37) % 100))
      })
      expect(await other.raise('raised', 5, 60_000)).toBe(base + 99)
      expect(await one.get('raised')).toBe(String(base + 99))
    })

    test('of parallel replace of one value exactly one wins', async () => {
      await one.set('swap', 'old', 60_000)
      const results = await race((cache, index) => cache.replace('swap', 'old', `new ${index}`, 60_000))
      expect(winners(results)).toBe(1)
      expect(await other.get('swap')).toBe(`new ${results.indexOf(true)}`)
      expect(await one.replace('not there', '', 'x', 60_000)).toBe(false)
      expect(await one.get('not there')).toBeUndefined()
    })

    test('of parallel deleteIf of one value exactly one wins, and another value is left alone', async () => {
      await one.set('take', 'mine', 60_000)
      expect(await one.deleteIf('take', 'theirs')).toBe(false)
      expect(await one.get('take')).toBe('mine')
      expect(winners(await race((cache) => cache.deleteIf('take', 'mine')))).toBe(1)
      expect(await one.get('take')).toBeUndefined()
    })

    test('delete takes a key away, and one that is not there is no error', async () => {
      await one.set('gone', 'x', 60_000)
      await other.delete('gone')
      await other.delete('gone')
      expect(await one.get('gone')).toBeUndefined()
    })

    test('a limiter counts each key for all replicas, and parallel consumers get exactly its points', async () => {
      const options = { name: 'contract', points: 30, seconds: 60 }
      const consumed = await race((cache) => cache.limiter(options).consume('somebody'))
      expect(consumed.filter(({ allowed }) => allowed)).toHaveLength(30)
      expect(consumed.map(({ remaining }) => remaining).sort((a, b) => b - a)).toEqual([
        ...Array.from({ length: 30 }, (_, index) => 29 - index),
        ...Array(70).fill(0),
      ])
      expect(await one.limiter(options).consume('somebody else')).toMatchObject({ allowed: true, remaining: 29 })
    })

    test('the window of a limiter begins with the first and is not renewed by those that follow', async () => {
      const { consume } = one.limiter({ name: 'window', points: 2, seconds: 1 })
      const first = await consume('k')
      await sleep(200)
      const second = await consume('k')
      expect(second).toMatchObject({ allowed: true, remaining: 0 })
      expect(second.resetMs).toBeLessThan(first.resetMs)
      await sleep(second.resetMs + 5)
      expect(await consume('k')).toMatchObject({ allowed: true, remaining: 1 })
    })

    test('a value ends with its lifetime, for every way to ask', async () => {
      await Promise.all([one.set('short', 'x', 40), one.setIfAbsent('claim', 'x', 40)])
      await one.set('moved', 'a', 60_000)
      await one.replace('moved', 'a', 'b', 40)
      await sleep(80)
      expect(await Promise.all(['short', 'moved'].map((key) => other.get(key)))).toEqual([undefined, undefined])
      expect(await one.setIfAbsent('claim', 'y', 60_000)).toBe(true)
      expect(await one.replace('short', 'x', 'y', 60_000)).toBe(false)
    })

    test('a fraction of a millisecond is still a lifetime', async () => {
      await one.set('blink', 'x', 0.2)
      await sleep(10)
      expect(await one.get('blink')).toBeUndefined()
    })

    test('a stream takes entries', async () => {
      await one.append('stream', { kind: 'a', at: '1' }, 60_000)
      await other.append('stream', { kind: 'b' }, 60_000)
    })
  })
}
