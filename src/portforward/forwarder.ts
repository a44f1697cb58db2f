import type { PlannedForward } from './plan.ts'

/** A way to carry connections from the host into the guest. */
export interface Forwarder {
  /**
   * Opens the host end. Throws with the reason in words when it cannot: the port is taken, or not permitted. Gives what
   * closes it again. `again`: it could not a moment ago, and may most likely not yet.
   */
  open: (forward: PlannedForward, again?: boolean) => Promise<() => Promise<void>>
}
