import { networkInterfaces } from 'node:os'
import path from 'node:path'
import type { PortForward } from '../config/port-forwards.ts'

/** The rules with the sockets of the host as absolute paths: relative ones lie in the instance's folder. Pure. */
export function rulesIn(folder: string, rules: readonly PortForward[]): PortForward[] {
  return rules.map((rule) =>
    rule.hostSocket === undefined ? rule : { ...rule, hostSocket: path.resolve(folder, rule.hostSocket) },
  )
}

// The folder is the user's; guest/rootfs/usr/lib/tcolima/boot makes it, and a link where Docker Desktop and Lima have it.
/** Where the host's SSH agent is found in the guest. */
export const guestAgentSocket = '/run/tcolima/ssh/agent.sock'

/** The rule that brings the host's SSH agent, given by its socket, into the guest. Pure. */
export function sshAgentRule(hostSocket: string): PortForward {
  return {
    proto: 'tcp',
    guestIP: '127.0.0.1',
    guestIPMustBeZero: false,
    guestSocket: guestAgentSocket,
    hostIP: '127.0.0.1',
    hostSocket,
    ignore: false,
    reverse: true,
    static: false,
  }
}

/** Whether this host has IPv6 at all: else its half of each port would be told as failed. */
export function hasIPv6(interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces()): boolean {
  return Object.values(interfaces).some((addresses) => addresses?.some(({ family }) => family === 'IPv6'))
}
