import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { messageOf } from '../host/errors.ts'
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
  record?: InstanceRecord
  state?: InstanceState
  /** Whether an agent looks after it now. */
  agent: boolean
}

/**
 * Looks at one instance: the processes, not only the files. Gives undefined when there is none of that name. Never
 * throws for a broken one: it says so instead. Synchronous and without heavy modules, since `list` uses it.
 */
export function viewInstance(home: string, profile: string): InstanceView | undefined {
  const paths = instancePaths(home, profile)
  const hasConfig = existsSync(paths.config)
  if (!hasConfig && !existsSync(paths.record)) {
    const holder = isFolder(paths.folder) ? readLock(paths.lock) : undefined
    return holder ? { name: profile, status: 'Starting', agent: true } : undefined
  }
  const agent = readLock(paths.lock) !== undefined
  const base = { name: profile, agent }
  try {
    if (hasConfig) readableText(paths.config)
    const record = readRecord(paths.record)
    const state = readState(paths.state)
    const running = state !== undefined && isAlive(state.qemu)
    const known = { ...base, ...(record ? { record } : {}), ...(state ? { state } : {}) }
    if (running) return { ...known, status: state.ready ? 'Running' : 'Starting' }
    // An agent that takes leave of a machine that died still holds the lock.
    if (agent && state?.ready !== true) return { ...known, status: 'Starting' }
    // A machine that should run and does not: how that came is worth a word.
    const reason = state?.ended ?? (state?.ready ? 'QEMU is gone' : undefined)
    return { ...known, status: 'Stopped', ...(reason === undefined ? {} : { reason }) }
  } catch (error) {
    return { ...base, status: 'Broken', reason: messageOf(error) }
  }
}

/** All instances of a home, by name. */
export function listInstances(home: string): InstanceView[] {
  let names: string[]
  try {
    names = readdirSync(home)
  } catch {
    return []
  }
  return names
    .filter((name) => !/^[_.]/.test(name) && isFolder(path.join(home, name)))
    .sort()
    .flatMap((name) => viewInstance(home, name) ?? [])
}

function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** Throws when a file cannot be text at all: a full check would need a YAML parser. */
function readableText(file: string): void {
  const content = readFileSync(file)
  if (content.includes(0)) throw new Error(`${file} is not a text file`)
}
