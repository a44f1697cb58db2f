import { TcolimaError } from '../host/errors.ts'

/** The profile used when none is named. */
export const DEFAULT_PROFILE = 'default'

/**
 * Takes a profile's name as typed; gives the name of its folder. '', `tcolima` and `colima` mean `default`, as in Colima.
 * Letters, digits, `.`, `_` and `-`, the first a letter or digit, at most 63: it becomes a folder, a docker context and
 * a host name. Throws `usage` for any other name.
 */
export function profileName(text: string): string {
  if (text === '' || text === 'tcolima' || text === 'colima') return DEFAULT_PROFILE
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)) return text
  throw new TcolimaError('usage', `${JSON.stringify(text)} is not a name for a profile: ${faultOf(text)}`, {
    hint: 'Use letters, digits, ".", "_" and "-", beginning with a letter or digit, at most 63.',
  })
}

/** Takes a profile's name from `profileName`; gives what it is called outside: docker context, ssh host, host name. */
export function externalName(profile: string): string {
  return profile === DEFAULT_PROFILE ? 'tcolima' : `tcolima-${profile}`
}

function faultOf(text: string): string {
  if (text.startsWith('_')) return 'names that begin with "_" are reserved'
  if (text.length > 63) return `it has ${text.length} characters`
  const wrong = /[^A-Za-z0-9._-]/u.exec(text)
  return wrong ? `it contains ${JSON.stringify(wrong[0])}` : `it begins with ${JSON.stringify(text[0])}`
}
