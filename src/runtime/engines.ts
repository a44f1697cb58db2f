import { docker } from './docker/engine.ts'
import type { Engine } from './engine.ts'

const engines = { docker }

/** The engine of a name in the configuration. */
export function engineNamed(name: keyof typeof engines): Engine {
  return engines[name]
}
