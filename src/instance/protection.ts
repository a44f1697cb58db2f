import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { TcolimaError } from '../host/errors.ts'
import { writeFileAtomic } from '../host/files.ts'
import type { InstancePaths } from './paths.ts'

/** Protects an instance from being deleted, or no longer. */
export async function setProtection({ protection }: InstancePaths, on: boolean): Promise<void> {
  if (on) await writeFileAtomic(protection, '')
  else await rm(protection, { force: true })
}

/** Throws `failed` for an instance that is protected. */
export function refuseProtected({ protection, profile }: InstancePaths): void {
  if (!existsSync(protection)) return
  throw new TcolimaError('failed', `the machine ${profile} is protected`, {
    hint: `First: tcolima unprotect ${profile}`,
  })
}
