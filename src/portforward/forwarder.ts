import type { PlannedForward } from './plan.ts'

/** A way to carry connections from the host into the guest. */
export interface Forwarder {
  /**
   * Opens the host end. Throws with the reason in words when it cannot: the port is taken, or not permitted. Gives what
   * closes it again.
   */
  open: (forward: PlannedForward) => Promise<() => Promise<void>>
}
