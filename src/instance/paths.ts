import path from 'node:path'

/** Where everything of one instance lies; all paths absolute. */
export interface InstancePaths {
  profile: string
  folder: string
  /** The user's file. */
  config: string
  /** What was fixed at creation. Its presence means that the instance was created in full. */
  record: string
  /** What runs now, or ran last. */
  state: string
  /** Held by the agent while it lives, or by a command that changes the instance without one. */
  lock: string
  /** Its presence protects the instance from being deleted. */
  protection: string
  /** Its presence means that the instance is deleted, and what is still there is to be removed. */
  deletion: string
  /** Its presence means that autostart was taken from the instance and is to be given back, under the name it has now. */
  autostartOwed: string
  rootDisk: string
  dataDisk: string
  /** Owners and modes in the guest that files of shared folders do not have on the host. */
  owners: string
  seed: string
  /** Through which the data of mounts goes while the machine runs (src/mounts/window.ts). */
  window: string
  qemuLog: string
  serialLog: string
  agentLog: string
  pidFile: string
  /** The images of Kubernetes that docker was given. */
  clusterImages: string
  /** The machines that are nodes of this one's cluster. */
  workers: string
  /** The daemons beside QEMU that serve mounts, as src/vm/daemons.ts writes them down. */
  daemons: string
  /** Paths that a replay of host changes in a mount may be under way for (src/mounts/replay.ts). */
  replays: (mount: number) => string
  /** Folders of a mount that the guest knows (src/notify/known-folders.ts). */
  knownFolders: (mount: number) => string
  /** Those of them whose changes nobody wants to hear of. */
  ignoredFolders: (mount: number) => string
  sshConfig: string
  knownHosts: string
  hostKey: string
  /** What a mount needs to outlive an agent (src/mounts/journal.ts). */
  mountJournal: (mount: number) => string
  /** Name of the agent's socket in the folder; see `prepareSocketPath` for long paths. */
  agentSocketName: string
}

/**
 * The two sockets of a link between a worker and a server, in the worker's folder, by whose QEMU makes them. Each server's have other
 * names: what one that the worker left sends on reaches nobody, and what it takes away is nobody else's. Pure.
 */
export function linkSockets(server: string): { worker: string; server: string } {
  return { worker: `node-of-${server}.sock`, server: `server-${server}.sock` }
}

/** The paths of the instance `profile` in a tcolima home. */
export function instancePaths(home: string, profile: string): InstancePaths {
  const folder = path.join(home, profile)
  // The folder is normal already: joining anew would be the costliest part of `list`.
  const inside = (name: string) => `${folder}${path.sep}${name}`
  return {
    profile,
    folder,
    config: inside('tcolima.yaml'),
    record: inside('instance.json'),
    state: inside('state.json'),
    lock: inside('lock'),
    protection: inside('protected'),
    deletion: inside('deleting'),
    autostartOwed: inside('autostart'),
    rootDisk: inside('root.qcow2'),
    dataDisk: inside('data.qcow2'),
    owners: inside('owners'),
    seed: inside('seed.tar'),
    window: inside('window'),
    qemuLog: inside('qemu.log'),
    serialLog: inside('serial.log'),
    agentLog: inside('agent.log'),
    pidFile: inside('qemu.pid'),
    clusterImages: inside('kubernetes-images.json'),
    workers: inside('workers.json'),
    daemons: inside('daemons.json'),
    replays: (mount) => inside(`mount.${mount}.replay`),
    knownFolders: (mount) => inside(`mount.${mount}.folders`),
    ignoredFolders: (mount) => inside(`mount.${mount}.ignored`),
    sshConfig: inside('ssh_config'),
    knownHosts: inside('known_hosts'),
    hostKey: inside('ssh_host_ed25519_key'),
    mountJournal: (mount) => inside(`mount.${mount}.journal`),
    agentSocketName: 'agent.sock',
  }
}

/** Where everything shared by all instances of a home lies. */
export function homePaths(home: string): {
  images: string
  keys: string
  accelerators: string
  packageLog: string
  /** What is no package of Debian; the store of src/artifacts. */
  downloads: string
  /** Links to the ssh_config of instances that the user's own includes. */
  sshLinks: string
  /** Settings that new profiles begin with. */
  templates: string
  /** The JSON Schema of settings, for editors. */
  schema: string
} {
  return {
    images: path.join(home, '_images'),
    keys: path.join(home, '_keys'),
    accelerators: path.join(home, '_accelerators.json'),
    packageLog: path.join(home, '_packages.log'),
    downloads: path.join(home, '_downloads'),
    sshLinks: path.join(home, '_ssh'),
    templates: path.join(home, '_templates'),
    schema: path.join(home, '_schema.json'),
  }
}
