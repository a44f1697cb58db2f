import type { PortStatus } from '../../agent/api.ts'
import type { ForwardStatus } from '../../portforward/forwards.ts'
import { hostPortText } from '../../portforward/plan.ts'

/** The host's end of a forward: `127.0.0.1:80`, `[::]:80`, a path. */
export function hostEnd({ hostSocket, hostAddress, hostPort }: ForwardStatus): string {
  return hostSocket ?? hostPortText(hostAddress, hostPort)
}

/** The guest's end; what goes through QEMU's network reaches whatever listens there. */
export function guestEnd({ guestSocket, guestAddress, guestPort }: ForwardStatus): string {
  return guestSocket ?? hostPortText(guestAddress === '' ? '0.0.0.0' : guestAddress, guestPort)
}

/** The container or the process behind a port, '' when neither is known. */
export function userOf({ container, process }: PortStatus): string {
  return container ?? process ?? ''
}

/** `active`, or `failed` with the reason. */
export function portState({ state, reason }: ForwardStatus): string {
  return state === 'active' ? state : `${state}: ${reason ?? ''}`
}

/** A forward in one line: both ends in the order of its connections, how, whose, and its state. */
export function portLine(port: PortStatus): string {
  const ends = port.reverse
    ? `${guestEnd(port)} -> ${hostEnd(port)}`
    : `${hostEnd(port)} -> ${guestEnd(port)}`
  const user = userOf(port)
  return `${ends} ${port.proto} ${port.via}${user === '' ? '' : ` ${user}`} ${portState(port)}`
}
