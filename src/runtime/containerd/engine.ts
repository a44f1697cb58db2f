import type { Engine } from '../engine.ts'
import { ping } from './ping.ts'

/** containerd from Debian's packages, with what networks and ports of containers need. */
export const containerd: Engine = {
  name: 'containerd',
  // zstd: what the images of k3s come in
  packages: ['containerd', 'runc', 'containernetworking-plugins', 'zstd'],
  readySubject: 'containerd',
  units: ['containerd'],
  sockets: [
    { name: 'containerd.sock', guestPath: '/run/containerd/containerd.sock' },
    // Answers once nerdctl is installed, which brings it.
    { name: 'buildkitd.sock', guestPath: '/run/buildkit/buildkitd.sock' },
  ],
  ping,
  seedFiles: () => ({}),
  clients: [],
}
