import { bad, type Checked, good } from './checked.ts'
import { absolutePath } from './paths.ts'

/**
 * Takes where artefacts come from: an http, https or file URL, an absolute folder or one that begins with ~, '' for their releases.
 * Gives it with the folder absolute. Pure.
 */
export function checkMirror(value: unknown, home: string): Checked<string> {
  const problem = 'must be an http, https or file URL, an absolute path, or one that begins with ~/'
  if (typeof value !== 'string' || /[\0\n\r]/.test(value)) return bad(problem)
  if (value === '') return good(value)
  if (/^(?:https?|file):/i.test(value)) return URL.canParse(value) ? good(value) : bad(problem)
  const folder = absolutePath(value, home)
  return folder === undefined ? bad(problem) : good(folder)
}
