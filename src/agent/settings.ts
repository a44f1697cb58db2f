import { isDeepStrictEqual } from 'node:util'
import { changeTimes } from '../config/changes.ts'
import type { Config } from '../config/schema.ts'
import { TcolimaError } from '../host/errors.ts'

/** Settings that a running machine goes by without a new start. */
export type LiveSetting = {
  [Key in keyof Config]: (typeof changeTimes)[Key] extends 'live' ? Key : never
}[keyof Config]

/**
 * The settings in which a running machine would have to change. Throws `failed` when any of them changes only at a start:
 * none is to be changed then.
 */
export function liveChanges(running: Config, wanted: Config): LiveSetting[] {
  const differ = (Object.keys(wanted) as (keyof Config)[]).filter(
    // Whether the docker context is activated is no property of the machine.
    (key) => key !== 'activate' && !isDeepStrictEqual(plain(running[key]), plain(wanted[key])),
  )
  // The others' folders are QEMU's, from its start on.
  const areLive = (key: keyof Config) => key !== 'mounts' || running.mountType === 'sshfs'
  const others = differ.filter((key) => !isLive(key) || !areLive(key))
  if (others.length === 0) return differ.filter(isLive)
  throw new TcolimaError(
    'failed',
    `it is running, and these settings change only at a start: ${others.join(', ')}`,
    {
      hint: 'Nothing was changed. Use `tcolima restart` with the same flags.',
    },
  )
}

function isLive(key: keyof Config): key is LiveSetting {
  return changeTimes[key] === 'live'
}

// The running ones went through JSON.
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null))
}
