import type { Engine } from '../engine.ts'
import { publishedPorts } from './published.ts'
import { daemonJson } from './daemon-json.ts'

/** Docker from Debian's packages. */
export const docker: Engine = {
  name: 'docker',
  packages: ['docker.io'],
  readySubject: 'docker',
  units: ['docker', 'containerd'],
  sockets: [{ name: 'docker.sock', guestPath: '/run/docker.sock' }],
  publishedPorts,
  seedFiles: (settings) => ({ 'daemon.json': daemonJson(settings.docker) }),
}
