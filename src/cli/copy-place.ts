import { profileName } from '../config/profile.ts'
import { TcolimaError } from '../host/errors.ts'

/** One end of a copy: on this computer, or (with a profile) in a guest. */
export interface Place {
  profile?: string
  path: string
}

/**
 * Takes an argument of `cp`: `PROFILE:PATH`, `guest:PATH` and `:PATH` (the profile that is worked on) lie in a guest, all
 * else here; a file of this computer with such a name is written `./a:b`. Pure.
 */
export function parsePlace(text: string, profile: string): Place {
  const { name, path = '' } = /^(?<name>[^/:]*):(?<path>.*)$/s.exec(text)?.groups ?? {}
  if (name === undefined) return { path: text }
  return { profile: name === '' || name === 'guest' ? profile : profileName(name), path: inGuest(path) }
}

/** What is to be copied where. Throws `usage` unless all sources lie on one side and the target on the other. Pure. */
export function copyPlan(words: string[], profile: string): { sources: Place[]; target: Place } {
  const places = words.map((word) => parsePlace(word, profile))
  const target = places.pop()
  if (!target || places.length === 0) throw new TcolimaError('usage', 'cp takes what to copy, and where to')
  const named = new Set([...places, target].map((place) => place.profile))
  const sides = new Set(places.map((place) => place.profile))
  if (sides.size !== 1 || named.size !== 2 || !named.has(undefined)) {
    throw new TcolimaError('usage', 'cp copies between this computer and one guest', {
      hint: 'Write a path in the guest as guest:PATH or PROFILE:PATH, and ./a:b for a file here with a colon.',
    })
  }
  return { sources: places, target }
}

/** Commands start in the user's home there. */
function inGuest(path: string): string {
  return path.replace(/^~(?:\/+|$)/, '') || '.'
}
