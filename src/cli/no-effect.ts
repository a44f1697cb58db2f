import type { CommandContext, Flag } from './command.ts'

/** Flags of Colima for which QEMU has nothing, and the values with which Colima does what it does without them. */
const flagsOfColima: { flag: string; key: string; usual: unknown[] }[] = [
  { flag: '-t, --vm-type <name>', key: 'vmType', usual: ['', 'qemu'] },
  { flag: '--vz-rosetta [boolean]', key: 'vzRosetta', usual: ['false'] },
  { flag: '-z, --nested-virtualization [boolean]', key: 'nestedVirtualization', usual: ['false'] },
  { flag: '-i, --disk-image <file>', key: 'diskImage', usual: [''] },
  { flag: '-l, --layer [boolean]', key: 'layer', usual: ['false'] },
  { flag: '--port-forwarder <name>', key: 'portForwarder', usual: ['', 'ssh'] },
  { flag: '--model-runner <name>', key: 'modelRunner', usual: ['', 'docker'] },
  { flag: '--network-address [boolean]', key: 'networkAddress', usual: ['false'] },
  { flag: '--network-mode <name>', key: 'networkMode', usual: ['', 'shared'] },
  { flag: '--network-interface <name>', key: 'networkInterface', usual: ['', 'en0'] },
  { flag: '--network-preferred-route [boolean]', key: 'networkPreferredRoute', usual: ['false'] },
  { flag: '--network-host-addresses [boolean]', key: 'networkHostAddresses', usual: ['false'] },
  { flag: '--network-driver <name>', key: 'networkDriver', usual: ['', 'slirp'] },
  { flag: '--gateway-address <IP>', key: 'gatewayAddress', usual: ['', '192.168.5.2'] },
]

/** They are taken, and told of in one warning; the help does not offer them. */
export const noEffectFlags: Flag[] = flagsOfColima.map(({ flag }) => ({
  flags: flag,
  summary: 'of Colima; no effect here',
  unlisted: true,
}))

/** Whether flags are for a hypervisor that is none here: their mount type was chosen for that one, as in a file. */
export function isForOtherHypervisor({ vmType }: Record<string, unknown>): boolean {
  return vmType !== undefined && vmType !== '' && vmType !== 'qemu'
}

/** The warning for those that were given with another value than the usual one. */
export function noEffectWarning({ flags }: Pick<CommandContext, 'flags'>): string | undefined {
  const given = flagsOfColima.filter(({ key, usual }) => {
    const value = flags[key]
    const text = typeof value === 'boolean' ? `${value}` : value
    return text !== undefined && !usual.includes(text)
  })
  if (given.length === 0) return undefined
  const mountType = isForOtherHypervisor(flags) && flags.mountType !== undefined ? ['--mount-type'] : []
  const names = [...given.map(({ flag }) => /--[a-z-]+/.exec(flag)?.[0] ?? flag), ...mountType]
  return `these flags of Colima have no effect here: ${names.join(', ')}`
}
