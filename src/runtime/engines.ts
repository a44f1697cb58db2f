import type { Runtime } from '../config/choices.ts'
import { containerd } from './containerd/engine.ts'
import { docker } from './docker/engine.ts'
import type { Engine } from './engine.ts'
import { none } from './none/engine.ts'
import { podman } from './podman/engine.ts'

/** Every engine by its name in the configuration. */
export const engines: Record<Runtime, Engine> = { docker, containerd, podman, none }

/** The engine of a name in the configuration. */
export function engineNamed(name: Runtime): Engine {
  return engines[name]
}
