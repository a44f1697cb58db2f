import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config/schema.ts'
import { TcolimaError } from '../host/errors.ts'

/** Throws `failed` when settings differ from those a running machine has: they need a new start. */
export function refuseOtherSettings(running: Config, wanted: Config): void {
  const differ = (Object.keys(wanted) as (keyof Config)[]).filter(
    // Whether the docker context is activated is no property of the machine.
    (key) => key !== 'activate' && !isDeepStrictEqual(plain(running[key]), plain(wanted[key])),
  )
  if (differ.length === 0) return
  throw new TcolimaError(
    'failed',
    `it is running, and these settings change only at a start: ${differ.join(', ')}`,
    {
      hint: 'Nothing was changed. Use `tcolima restart` with the same flags.',
    },
  )
}

// The running ones went through JSON.
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null))
}
