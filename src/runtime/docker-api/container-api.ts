import type { ContainerApi } from '../engine.ts'
import { portChange } from './port-requests.ts'
import { publishedPorts } from './published.ts'

/** Docker's API, which podman speaks too. */
export const containerApi: ContainerApi = {
  portChange,
  inspectPath: (container) => `/containers/${container}/json`,
  published: publishedPorts,
}
