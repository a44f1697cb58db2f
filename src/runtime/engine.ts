import type { OciRuntime, Runtime } from '../config/choices.ts'
import type { HostClient } from './host-client.ts'

/** What a container engine is to the rest of tcolima; what it needs in the guest is in guest/engines/<name>. */
export interface Engine {
  name: Runtime
  /** Debian packages the image needs for it. */
  packages: string[]
  /** The event by which the guest says that it answers. */
  readySubject: string
  /** systemd units whose failure means that it will not come. */
  units: string[]
  /** Sockets to bring to the host; the first one is the engine's own. */
  sockets: EngineSocket[]
  /** Asks the engine at its socket on the host whether it answers; throws `failed` when it does not. */
  ping?: (socket: string, signal: AbortSignal) => Promise<void>
  /** How the programs' names begin that hold a published port in a container's place: users know the container. */
  portHolders?: string[]
  /** The ports that containers have published, asked of the engine at its socket on the host. */
  containerPorts?: (socket: string, signal: AbortSignal) => Promise<ContainerPort[]>
  /** Files for the seed disk, by name. */
  seedFiles: (settings: EngineSettings) => Record<string, string>
  /** Programs of the host that are told of its first socket. */
  clients: HostClient[]
}

/** A socket of an engine. */
export interface EngineSocket {
  /** The file's name in the instance folder. */
  name: string
  /** The path in the guest. */
  guestPath: string
  api?: ContainerApi
}

/** What is known of the requests that come over an engine's socket, HTTP/1.1 with JSON. */
export interface ContainerApi {
  /** What a request (method and target) does to published ports by the time it is answered, if anything. */
  portChange: (method: string, target: string) => PortChange | undefined
  /** The path to ask about a container, named as in a request's target. */
  inspectPath: (container: string) => string
  /** Reads the answer to that. */
  published: (answer: string) => Published | undefined
}

/** A request that changes published ports: those of a container, named as in the target, come or go. */
export interface PortChange {
  container: string
  starts: boolean
}

/** A container's published TCP ports, as inside it, and the process of the guest whose network they are in. */
export interface Published {
  pid: number
  ports: number[]
}

/** A port that a container has published. */
export interface ContainerPort {
  proto: 'tcp' | 'udp'
  port: number
  container: string
}

/** The parts of the configuration an engine reads. */
export interface EngineSettings {
  /** Merged into docker's daemon.json. */
  docker: Record<string, unknown>
  ociRuntime: OciRuntime
  /** Whether podman runs as the guest's user. */
  rootless: boolean
}
