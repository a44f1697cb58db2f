import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errnoOf } from './errors.ts'
import { freeSpace } from './files.ts'
import type { Host } from './platform.ts'
import { findHostProgram } from './programs.ts'
import { run, type Run } from './run.ts'

/** What package installation and `doctor` ask the machine; a value, so that tests give them any machine. */
export interface HostSystem {
  /** The full path of a program, or undefined. */
  which: (program: string) => string | undefined
  exists: (file: string) => boolean
  /** The text of a file, or undefined when it cannot be read. */
  readFile: (file: string) => string | undefined
  /** Undefined when this process may read and write the file, else the system's error code. */
  accessError: (file: string) => string | undefined
  /** Newest change in milliseconds since 1970 of the files in a folder whose name matches; undefined without any. */
  newestIn: (dir: string, name: RegExp) => number | undefined
  /** Bytes free where the folder is, or would be. */
  freeSpace: (dir: string) => Promise<number>
  run: Run
  /** Waits; ends early, without an error, on abort. */
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>
}

/** The real machine, with the PATH of the host's environment. */
export function hostSystem(host: Pick<Host, 'platform' | 'env'>): HostSystem {
  return {
    which: (program) => findHostProgram(program, host.env.PATH, host.platform),
    exists: existsSync,
    readFile: (file) => attempt(() => readFileSync(file, 'utf8')),
    accessError: (file) => {
      try {
        accessSync(file, constants.R_OK | constants.W_OK)
        return undefined
      } catch (error) {
        return errnoOf(error) ?? 'EIO'
      }
    },
    newestIn: (dir, name) => {
      const files = attempt(() => readdirSync(dir)) ?? []
      const times = files.flatMap((file) =>
        name.test(file) ? (attempt(() => statSync(path.join(dir, file)).mtimeMs) ?? []) : [],
      )
      return times.length === 0 ? undefined : Math.max(...times)
    },
    freeSpace,
    run,
    sleep: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}).catch(() => {}),
  }
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
