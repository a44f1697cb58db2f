import type { ContainerApi, Engine } from '../engine.ts'
import { containerPorts } from './container-ports.ts'
import { daemonJson } from './daemon-json.ts'
import { portChange } from './port-requests.ts'
import { publishedPorts } from './published.ts'

const api: ContainerApi = {
  portChange,
  inspectPath: (container) => `/containers/${container}/json`,
  published: publishedPorts,
}

/** Docker from Debian's packages. */
export const docker: Engine = {
  name: 'docker',
  packages: ['docker.io'],
  readySubject: 'docker',
  units: ['docker', 'containerd'],
  sockets: [{ name: 'docker.sock', guestPath: '/run/docker.sock', api }],
  containerPorts,
  seedFiles: (settings) => ({ 'daemon.json': daemonJson(settings.docker) }),
}
