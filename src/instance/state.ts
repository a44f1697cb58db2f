import type { Config } from '../config/schema.ts'
import { readJson, writeJson } from '../host/files.ts'
import type { ProcessId } from '../host/processes.ts'

/** What runs of an instance, or ran last; kept for whoever comes after the agent that wrote it. */
export interface InstanceState {
  version: 1
  /** The settings this machine was started with. */
  config: Config
  accelerator: 'kvm' | 'hvf' | 'tcg'
  qemu: ProcessId
  /** Loopback port of the host that leads to the guest's SSH; 0 until it is there. */
  sshPort: number
  /** Paths of the sockets QEMU listens on. */
  sockets: { qmp: string; guestLink: string; mounts: string[] }
  /** Whether the start came to its end. */
  ready: boolean
  /** How it ended, when it did not end by a command. */
  ended?: string
}

/** Reads the state. Gives undefined when there is none or it cannot be read: nothing is known to run then. */
export function readState(file: string): InstanceState | undefined {
  try {
    const state = readJson(file) as InstanceState | undefined
    const whole =
      state?.version === 1 && Number.isInteger(state.qemu?.pid) && Array.isArray(state.config?.mounts)
    // One that runs over an update was started when there was one type only.
    return whole ? { ...state, config: { ...{ mountType: 'sshfs' }, ...state.config } } : undefined
  } catch {
    return undefined
  }
}

export async function writeState(file: string, state: InstanceState): Promise<void> {
  await writeJson(file, state)
}
