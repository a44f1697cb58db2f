import path from 'node:path'
import { TcolimaError } from '../host/errors.ts'
import { absolutePath } from './paths.ts'

/**
 * Takes the environment and the user's home folder; gives the folder of everything tcolima keeps: `TCOLIMA_HOME`, which
 * may begin with `~/`, else `~/.tcolima`. An empty variable counts as not set. Throws `usage` when it is relative: the
 * instances found would depend on the current folder.
 */
export function tcolimaHome(env: Readonly<Record<string, string | undefined>>, homedir: string): string {
  const wanted = env.TCOLIMA_HOME
  if (wanted === undefined || wanted === '') return path.join(homedir, '.tcolima')
  const absolute = absolutePath(wanted, homedir)
  if (absolute !== undefined) return absolute
  throw new TcolimaError('usage', `TCOLIMA_HOME must be an absolute path, not ${JSON.stringify(wanted)}`)
}
