import type { MountSpec } from '../config/mounts.ts'
import type { KubernetesConfig } from '../config/kubernetes.ts'
import type { Config } from '../config/schema.ts'
import type { ErrorRecord } from '../host/errors.ts'
import type { ProgressEvent } from '../host/progress.ts'
import type { ForwardStatus } from '../portforward/forwards.ts'
import type { ClusterAccess } from '../runtime/kubernetes/kubeconfig-text.ts'
import type { Worker } from './workers.ts'

/**
 * The agent's API, on a Unix socket: one request a connection, as a line of JSON; the answer is lines of JSON, any number
 * of events and then a result or an error. Closing the connection takes the request back. After the result of `exec`
 * the connection carries frames (frames.ts) in both directions.
 */
export interface AgentMethods {
  start: { params: StartParams; result: StartResult }
  stop: { params: { force: boolean }; result: Record<string, never> }
  status: { params: Record<string, never>; result: AgentStatus }
  ports: { params: Record<string, never>; result: PortStatus[] }
  /** Tells changes until the connection or the machine ends. */
  watchPorts: { params: Record<string, never>; result: Record<string, never> }
  addMount: { params: AddMountParams; result: MountSpec }
  removeMount: { params: RemoveMountParams; result: MountSpec }
  cluster: { params: ClusterParams; result: ClusterResult }
  /** Lets another machine into the cluster. */
  admit: { params: AdmitParams; result: Admission }
  /** Takes its node away; with `forget` it does not come back. */
  dismiss: { params: { worker: string; forget: boolean }; result: Record<string, never> }
  exec: { params: ExecParams; result: Record<string, never> }
}

export type AgentMethod = keyof AgentMethods

export interface AgentRequest<M extends AgentMethod = AgentMethod> {
  method: M
  params: AgentMethods[M]['params']
}

export type AgentReply<M extends AgentMethod = AgentMethod> =
  | { event: ProgressEvent }
  | { change: PortChange }
  | { result: AgentMethods[M]['result'] }
  | { error: ErrorRecord }

export interface StartParams {
  config: Config
  /** Keys to write into the user's file as soon as the start begins to apply them. */
  changes: Record<string, unknown>
  /** Whether to write them, and the file where there is none. */
  save: boolean
  /** What a new file begins with, where not with the text that explains every key. */
  newText?: string | undefined
  /** Another Debian mirror for the image build. */
  debianMirror?: string | undefined
  /** Where artefacts come from, where not from their releases. */
  mirror?: string | undefined
}

export interface StartResult {
  /** Whether it ran already. */
  already: boolean
  /** Settings that it goes by since, where it ran already. */
  changed: string[]
  /** Paths of sockets on the host, by their names in the instance folder. */
  sockets: Record<string, string>
  sshPort: number
  /** How to come into its cluster, where it has one. */
  cluster?: ClusterAccess | undefined
}

export interface ClusterParams {
  action: 'start' | 'stop' | 'reset' | 'delete' | 'access'
  /** The settings for `start` and `reset`. */
  kubernetes?: KubernetesConfig
  /** Keys to write into the user's file. */
  changes: Record<string, unknown>
  /** Where artefacts come from, where not from their releases. */
  mirror?: string | undefined
}

/** `cluster` is absent once there is none. */
export interface ClusterResult {
  cluster?: ClusterAccess | undefined
}

/** Who is to be let in. */
export interface AdmitParams {
  worker: Pick<Worker, 'name' | 'node'>
  /** Where artefacts come from, where not from their releases: k3s may have to start anew. */
  mirror?: string | undefined
}

/** What another machine needs to be a node of a cluster. */
export interface Admission {
  worker: Worker
  /** The worker's address in the network of the nodes, and the server's. */
  address: string
  server: string
  /** What lets it in. */
  token: string
  /** How to come into the cluster from the host. */
  access: ClusterAccess
  /** The release of k3s by the server's settings. */
  version: string
}

export interface AgentStatus {
  phase: 'idle' | 'starting' | 'running' | 'stopping'
  mounts: MountStatus[]
  ports: ForwardStatus[]
  sockets: Record<string, string>
  /** What the user should know of and can mend. */
  warnings: { text: string; hint: string }[]
}

/** A forward, and who uses it where that is known. */
export interface PortStatus extends ForwardStatus {
  /** What listens in the guest: `nginx (712)`. */
  process?: string
  /** The container that published the port. */
  container?: string
}

/** A forward that is there, is another than before, or is gone. */
export interface PortChange {
  type: 'added' | 'changed' | 'removed'
  port: PortStatus
}

export interface MountStatus {
  location: string
  mountPoint: string
  writable: boolean
  /** Whether changes on the host are being brought to watchers in the guest. */
  watched: boolean
  state: 'waiting' | 'mounted' | 'failed'
  detail: string
}

export interface AddMountParams {
  mount: MountSpec
  /** Whether it is one of the settings from now on. */
  save: boolean
}

export interface RemoveMountParams {
  mountPoint: string
  /** Also when something in the guest uses it. */
  force: boolean
  /** Whether it is none of the settings any more. */
  save: boolean
}

export interface ExecParams {
  /** The command and its arguments, passed on byte for byte; empty for a login shell. */
  command: string[]
  /** The host's current folder: where the command starts, when it is mounted. */
  cwd?: string | undefined
  /** Present when the command gets a terminal. */
  terminal?: { term: string; rows: number; columns: number } | undefined
  /** Variables that a terminal session takes along (`LANG`, `LC_*`, `COLORTERM`). */
  env?: Record<string, string> | undefined
}
