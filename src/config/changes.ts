import type { Config } from './schema.ts'

/**
 * When a changed setting is there: `live`, also in a running machine, by `tcolima start`; `start`, at the next one;
 * `growth`, at the next one and only more; `never`, as the instance keeps what it was made with.
 */
export type ChangeTime = 'live' | 'start' | 'growth' | 'never'

/** What can change when; src/config/immutable.ts says what an instance refuses, and why. */
export const changeTimes = {
  cpus: 'start',
  memory: 'start',
  disk: 'growth',
  rootDisk: 'growth',
  arch: 'never',
  distro: 'never',
  runtime: 'never',
  // With mountType sshfs: else at a start.
  mounts: 'live',
  mountType: 'start',
  mountInotify: 'live',
  mountInotifyIgnore: 'live',
  accel: 'start',
  cpuType: 'start',
  // Of the host, not of the machine.
  activate: 'live',
  docker: 'start',
  hostname: 'start',
  network: 'live',
  portForwards: 'live',
  forwardAgent: 'start',
  binfmt: 'start',
  ociRuntime: 'start',
  rootless: 'start',
  caCertificates: 'start',
  // Of the host, not of the machine.
  mirror: 'live',
  sshPort: 'start',
  sshConfig: 'start',
  env: 'start',
  provision: 'start',
  probes: 'start',
  param: 'start',
  kubernetes: 'live',
} as const satisfies Record<keyof Config, ChangeTime>
