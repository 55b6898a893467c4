/** The pictures that were asked for last: a page that is loaded again costs the platform no call (it allows 5,000 a minute). */

const MAX_PICTURES = 200

export type MakePicture = (scene: string) => Promise<Uint8Array<ArrayBuffer>>

export function createPictures(make: MakePicture): MakePicture {
  const kept = new Map<string, Promise<Uint8Array<ArrayBuffer>>>()
  return (scene) => {
    const known = kept.get(scene)
    if (known) return known
    const made = make(scene)
    kept.set(scene, made)
    made.catch(() => kept.delete(scene))
    const [oldest] = kept.keys()
    if (kept.size > MAX_PICTURES && oldest !== undefined) kept.delete(oldest)
    return made
  }
}
