import { containerPorts } from '../docker-api/container-ports.ts'
import { containerApi } from '../docker-api/container-api.ts'
import { dockerContext } from '../docker-api/context.ts'
import { ping } from '../docker-api/ping.ts'
import type { Engine } from '../engine.ts'
import { daemonJson } from './daemon-json.ts'

/** Docker from Debian's packages. */
export const docker: Engine = {
  name: 'docker',
  packages: ['docker.io', 'crun'],
  readySubject: 'docker',
  units: ['docker', 'containerd'],
  sockets: [{ name: 'docker.sock', guestPath: '/run/docker.sock', api: containerApi }],
  ping,
  portHolders: ['docker-proxy'],
  containerPorts,
  seedFiles: (settings) => ({ 'daemon.json': daemonJson(settings) }),
  clients: [dockerContext],
}
