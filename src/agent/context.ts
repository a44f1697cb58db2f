import type { Host } from '../host/platform.ts'
import type { InstancePaths } from '../instance/paths.ts'

/** What everything in the agent needs: which instance, on which host, and where to write. */
export interface AgentContext {
  home: string
  paths: InstancePaths
  host: Host
  /** Writes a line to the agent's log. */
  log: (line: string) => void
}
