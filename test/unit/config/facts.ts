import type { HostFacts } from '../../../src/config/schema.ts'
import { GIB } from '../../../src/config/units.ts'
import { TcolimaError } from '../../../src/host/errors.ts'

export const facts: HostFacts = {
  home: '/home/ann',
  cwd: '/work',
  arch: 'x86_64',
  cpus: 2,
  totalMemory: 8 * GIB,
}

/** The error a function throws; fails when it throws none, or one that is not a TcolimaError. */
export function errorOf(run: () => unknown): TcolimaError {
  try {
    run()
  } catch (error) {
    if (error instanceof TcolimaError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
