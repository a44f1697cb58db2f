import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { profileName } from '../config/profile.ts'

/** A profile of Colima. */
export interface ColimaProfile {
  /** What it is called here. */
  name: string
  /** Its settings: the file and the text. */
  file: string
  text: string
  /** Where its docker listens while it runs. */
  socket: string
}

/** Where Colima keeps its profiles: `COLIMA_HOME`, `~/.colima`, or (new installations) below the XDG folder. */
export function colimaHome(env: NodeJS.ProcessEnv, home: string): string {
  if (env.COLIMA_HOME) return env.COLIMA_HOME
  const usual = path.join(home, '.colima')
  const other = path.join(env.XDG_CONFIG_HOME || path.join(home, '.config'), 'colima')
  return !existsSync(usual) && existsSync(other) ? other : usual
}

/** The profiles of a Colima home by name; its templates and whatever else lies there are none. */
export function colimaProfiles(folder: string): ColimaProfile[] {
  const names = existsSync(folder) ? readdirSync(folder).sort() : []
  return names.flatMap((each) => {
    const file = path.join(folder, each, 'colima.yaml')
    if (/^[_.]/.test(each) || !existsSync(file)) return []
    const socket = path.join(folder, each, 'docker.sock')
    return [{ name: profileName(each), file, text: readFileSync(file, 'utf8'), socket }]
  })
}
