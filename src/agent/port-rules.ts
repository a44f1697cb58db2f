import { networkInterfaces } from 'node:os'
import path from 'node:path'
import type { PortForward } from '../config/port-forwards.ts'

/** The rules with the sockets of the host as absolute paths: relative ones lie in the instance's folder. Pure. */
export function rulesIn(folder: string, rules: readonly PortForward[]): PortForward[] {
  return rules.map((rule) =>
    rule.hostSocket === undefined ? rule : { ...rule, hostSocket: path.resolve(folder, rule.hostSocket) },
  )
}

/** Whether this host has IPv6 at all: else its half of each port would be told as failed. */
export function hasIPv6(interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces()): boolean {
  return Object.values(interfaces).some((addresses) => addresses?.some(({ family }) => family === 'IPv6'))
}
