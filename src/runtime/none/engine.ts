import type { Engine } from '../engine.ts'

/** No engine: a plain Linux machine. */
export const none: Engine = {
  name: 'none',
  packages: [],
  readySubject: 'ssh',
  units: [],
  sockets: [],
  seedFiles: () => ({}),
  clients: [],
}
