/** What a container engine is to the rest of tcolima. */
export interface Engine {
  name: string
  /** Debian packages the image needs for it. */
  packages: string[]
  /** The event by which the guest says that it answers. */
  readySubject: string
  /** systemd units whose failure means that it will not come. */
  units: string[]
  /** Sockets to bring to the host: the file's name in the instance folder, and the path in the guest. */
  sockets: { name: string; guestPath: string }[]
  /** The ports that containers have published, asked of the engine at its socket on the host. */
  publishedPorts: (socket: string, signal: AbortSignal) => Promise<PublishedPort[]>
  /** Files for the seed disk, by name. */
  seedFiles: (settings: EngineSettings) => Record<string, string>
}

/** A port that a container has published. */
export interface PublishedPort {
  proto: 'tcp' | 'udp'
  port: number
  container: string
}

/** The parts of the configuration an engine reads. */
export interface EngineSettings {
  /** Merged into docker's daemon.json. */
  docker: Record<string, unknown>
}
