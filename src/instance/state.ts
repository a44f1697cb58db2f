import type { MountSpec } from '../config/mounts.ts'
import type { Config } from '../config/schema.ts'
import { readJson, writeJson } from '../host/files.ts'
import type { ProcessId } from '../host/processes.ts'

/** A folder that is mounted now. Its index names its port or file system, and is another's only once it is gone. */
export interface ActiveMount extends MountSpec {
  index: number
}

/** What runs of an instance, or ran last; kept for whoever comes after the agent that wrote it. */
export interface InstanceState {
  version: 1
  /** The settings this machine was started with, and the mounts that were saved since. */
  config: Config
  accelerator: 'kvm' | 'hvf' | 'tcg'
  qemu: ProcessId
  /** Loopback port of the host that leads to the guest's SSH; 0 until it is there. */
  sshPort: number
  /** Loopback port of the host that leads to Kubernetes' API, once there has been a cluster. */
  kubernetesPort?: number
  /** What is mounted now: those of the start, and what `mount add` and `mount remove` made of them. */
  mounts: ActiveMount[]
  /** Paths of the sockets QEMU listens on; those of mounts by their index, null for one without a port (over SSH). */
  sockets: { qmp: string; guestLink: string; names?: string; mounts: (string | null)[] }
  /** Whether the start came to its end. */
  ready: boolean
  /** How it ended, when it did not end by a command. */
  ended?: string
}

// Settings that machines which run over an update were started without.
const absent = {
  distro: 'debian-13',
  mountType: 'sshfs',
  network: { dns: [], dnsHosts: {} },
  portForwards: [],
  forwardAgent: false,
  sshPort: 0,
  sshConfig: false,
  rootDisk: 20 * 2 ** 30,
  env: {},
  provision: [],
  probes: [],
  binfmt: true,
  param: {},
  kubernetes: { enabled: false, version: '', k3sArgs: [], port: 0, join: '' },
  ociRuntime: '',
  rootless: false,
  caCertificates: [],
  mirror: '',
} as const

/** Reads the state. Gives undefined when there is none or it cannot be read: nothing is known to run then. */
export function readState(file: string): InstanceState | undefined {
  try {
    const state = readJson(file) as InstanceState | undefined
    const whole =
      state?.version === 1 && Number.isInteger(state.qemu?.pid) && Array.isArray(state.config?.mounts)
    if (!whole) return undefined
    // One that runs over an update was started when mounts had one type, and stayed as they were.
    const mounts = state.config.mounts.map((mount, index) => ({ ...mount, index }))
    return { ...{ mounts }, ...state, config: withAbsent(state.config) }
  } catch {
    return undefined
  }
}

function withAbsent(config: Config): Config {
  return { ...absent, ...config, kubernetes: { ...absent.kubernetes, ...config.kubernetes } }
}

export async function writeState(file: string, state: InstanceState): Promise<void> {
  await writeJson(file, state)
}
