import { GIB } from './units.ts'

/** What holds where neither the file nor a flag says anything. Sizes in bytes; `mounts` (the home folder) depends on the user. */
export const defaults = {
  cpus: 2,
  memory: 2 * GIB,
  disk: 100 * GIB,
  arch: 'host',
  distro: 'debian-13',
  runtime: 'docker',
  mountType: 'sshfs',
  mountInotify: true,
  // Changes all the time, and is seldom watched by anyone.
  mountInotifyIgnore: ['.git', 'node_modules'],
  accel: 'auto',
  cpuType: '',
  activate: true,
  hostname: '',
  network: { dns: [], dnsHosts: {} },
  forwardAgent: false,
  sshPort: 0,
  sshConfig: true,
  // Only what is written costs: packages users add, logs, their home in the guest.
  rootDisk: 20 * GIB,
  env: {},
  provision: [],
  probes: [],
  param: {},
  docker: {},
  portForwards: [],
  binfmt: true,
  kubernetes: { enabled: false, version: '', k3sArgs: ['--disable=traefik'], port: 0, join: '' },
  ociRuntime: '',
  rootless: false,
  caCertificates: [],
  mirror: '',
} as const
