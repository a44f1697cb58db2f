import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { messageOf, TcolimaError } from '../host/errors.ts'
import { readLock } from '../host/lock.ts'
import { isAlive } from '../host/processes.ts'
import { instancePaths } from './paths.ts'
import { type InstanceRecord, readRecord } from './record.ts'
import { type InstanceState, readState } from './state.ts'

/** What `list` and `status` show of an instance; sizes in bytes. */
export interface InstanceView {
  name: string
  status: 'Running' | 'Starting' | 'Stopped' | 'Broken'
  /** Why it is broken, or how it ended when no command ended it. */
  reason?: string
  /** How a broken one is mended. */
  hint?: string
  record?: InstanceRecord
  state?: InstanceState
  /** Whether an agent looks after it now. */
  agent: boolean
  /** Whether `delete` refuses it. */
  protected?: true
}

/**
 * Looks at one instance: the processes, not only the files. Gives undefined when there is none of that name. Never
 * throws for a broken one: it says so instead. Synchronous and without heavy modules, since `list` uses it.
 */
export function viewInstance(home: string, profile: string): InstanceView | undefined {
  const paths = instancePaths(home, profile)
  // One look at the folder: fifty instances are to cost as little as a few.
  const names = namesIn(paths.folder)
  const has = (file: string) => names.includes(path.basename(file))
  const lockName = path.basename(paths.lock)
  const locked = () => names.some((name) => name.startsWith(lockName)) && readLock(paths.lock) !== undefined
  if (has(paths.deletion)) return undefined
  const hasConfig = has(paths.config)
  if (!hasConfig && !has(paths.record)) {
    return locked() ? { name: profile, status: 'Starting', agent: true } : undefined
  }
  const agent = locked()
  const base = { name: profile, agent, ...(has(paths.protection) ? { protected: true as const } : {}) }
  try {
    if (hasConfig) readableText(paths.config)
    const record = has(paths.record) ? readRecord(paths.record) : undefined
    const state = has(paths.state) ? readState(paths.state) : undefined
    const running = state !== undefined && isAlive(state.qemu)
    const known = { ...base, ...(record ? { record } : {}), ...(state ? { state } : {}) }
    if (running) return { ...known, status: state.ready ? 'Running' : 'Starting' }
    // An agent that takes leave of a machine that died still holds the lock.
    if (agent && state?.ready !== true) return { ...known, status: 'Starting' }
    // A machine that should run and does not: how that came is worth a word.
    const reason = state?.ended ?? (state?.ready ? 'QEMU is gone' : undefined)
    return { ...known, status: 'Stopped', ...(reason === undefined ? {} : { reason }) }
  } catch (error) {
    const hint = (error instanceof TcolimaError && error.hint) || `tcolima delete ${profile}`
    return { ...base, status: 'Broken', reason: messageOf(error), hint }
  }
}

/** All instances of a home, by name. */
export function listInstances(home: string): InstanceView[] {
  return namesIn(home)
    .filter((name) => !/^[_.]/.test(name))
    .sort()
    .flatMap((name) => viewInstance(home, name) ?? [])
}

/** What lies in a folder; nothing where there is no folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Throws when a file cannot be text at all: a full check would need a YAML parser. */
function readableText(file: string): void {
  const content = readFileSync(file)
  if (content.includes(0)) throw new Error(`${file} is not a text file`)
}
