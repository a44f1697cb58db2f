import * as z from 'zod'
import { shown } from './checked.ts'

/** The values with which Colima does what it does by default, for each of its keys that has no effect here. */
const colimaDefaults: Record<string, unknown[]> = {
  vmType: ['', 'qemu'],
  mountType: ['', 'sshfs'],
  rosetta: [false],
  nestedVirtualization: [false],
  diskImage: [''],
  physicalDisks: [[]],
  modelRunner: ['', 'docker'],
  portForwarder: ['', 'ssh'],
  layer: [false],
  'network.address': [false],
  'network.mode': ['', 'shared'],
  'network.interface': ['', 'en0'],
  'network.preferredRoute': [false],
  'network.hostAddresses': [false],
  'network.gatewayAddress': ['', '192.168.5.2'],
  'network.driver': [''],
}

const appliedParts = new Set(['network.dns', 'network.dnsHosts'])

/** Whether a file is for a hypervisor of Colima that tcolima does not use: QEMU runs the machine here. */
export function isOtherHypervisor({ vmType }: Record<string, unknown>): boolean {
  return vmType !== undefined && vmType !== null && !colimaDefaults.vmType?.includes(vmType)
}

/**
 * The zod shape of Colima's keys that this version accepts and does nothing with, so that a colima.yaml works as it is.
 * Types are checked all the same.
 */
export function ignoredShape() {
  const flag = z.boolean('must be true or false').optional()
  const text = z.string('must be text').optional()
  return {
    vmType: text,
    rosetta: flag,
    nestedVirtualization: flag,
    diskImage: text,
    modelRunner: text,
    portForwarder: text,
    layer: flag,
    physicalDisks: z.array(z.unknown(), 'must be a list').optional(),
  }
}

/** The same for the keys of `network`. */
export function ignoredNetworkShape() {
  const flag = z.boolean('must be true or false').nullish()
  const text = z.string('must be text').nullish()
  return {
    address: flag,
    mode: text,
    interface: text,
    preferredRoute: flag,
    hostAddresses: flag,
    gatewayAddress: text,
    driver: text,
  }
}

/**
 * Takes the file's keys and values; gives the keys set to something else than Colima's default that have no effect here,
 * those of `network` one by one: `network.dns`.
 */
export function ignoredSettings(values: Record<string, unknown>): string[] {
  const active = new Set<string>()
  for (const [key, value] of Object.entries(values)) {
    if (key === 'mountType' && !isOtherHypervisor(values)) continue
    const isGroup = key === 'network'
    const settings = isGroup ? Object.entries(value ?? {}) : [['', value] as const]
    for (const [part, setting] of settings) {
      const name = isGroup ? `${key}.${part}` : key
      const known = colimaDefaults[name]
      if (isGroup && appliedParts.has(name)) continue
      if (!known && !isGroup) continue
      if (setting !== null && !known?.some((usual) => shown(usual) === shown(setting))) active.add(name)
    }
  }
  return [...active]
}
