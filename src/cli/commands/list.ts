import { profileName } from '../../config/profile.ts'
import { formatSize } from '../../config/units.ts'
import { TcolimaError } from '../../host/errors.ts'
import { type InstanceView, listInstances } from '../../instance/view.ts'
import type { CommandContext } from '../command.ts'
import { jsonLine, renderWarning } from '../render/output.ts'
import { table } from '../render/table.ts'

/** `tcolima list`: all machines, or the one of `--profile`. Throws `not-found` for one that there is not. */
export async function run(
  context: Pick<CommandContext, 'home' | 'output'> & Partial<Pick<CommandContext, 'flags'>>,
): Promise<number> {
  const { output, home, flags = {} } = context
  const only = typeof flags.profile === 'string' ? profileName(flags.profile) : undefined
  const instances = listInstances(home).filter(({ name }) => only === undefined || name === only)
  if (only !== undefined && instances.length === 0) {
    throw new TcolimaError('not-found', `there is no machine ${only}`, { hint: 'See `tcolima list`.' })
  }
  if (output.json) {
    for (const view of instances) jsonLine(output, listEntry(view))
    return 0
  }
  for (const { name, status, reason, hint } of instances) {
    if (status === 'Broken') renderWarning(output, `${name}: ${reason ?? 'broken'}`, hint)
  }
  if (instances.length === 0) {
    output.err('there is no machine yet: `tcolima start` makes one\n')
    return 0
  }
  const heads = ['PROFILE', 'STATUS', 'ARCH', 'CPUS', 'MEMORY', 'DISK', 'RUNTIME', 'ADDRESS']
  output.out(table([heads, ...instances.map(row)]))
  return 0
}

/** An instance as `list --json` gives it: Colima's fields, sizes in bytes. */
export function listEntry(view: InstanceView) {
  const { name, status, reason, record, state } = view
  return {
    name,
    status,
    arch: record?.arch ?? '',
    cpus: state?.config.cpus ?? 0,
    memory: state?.config.memory ?? 0,
    disk: state?.config.disk ?? 0,
    runtime: runtimeOf(view),
    address: '',
    ...(view.protected ? { protected: true } : {}),
    ...(reason === undefined ? {} : { reason }),
  }
}

/** As Colima names it: with a cluster `docker+k3s`. */
function runtimeOf({ record, state }: InstanceView): string {
  return `${record?.runtime ?? ''}${state?.config.kubernetes.enabled ? '+k3s' : ''}`
}

function row(view: InstanceView): string[] {
  const { name, status, arch, cpus, memory, disk, runtime } = listEntry(view)
  const size = (bytes: number) => (bytes === 0 ? '' : formatSize(bytes))
  return [name, status, arch, cpus === 0 ? '' : String(cpus), size(memory), size(disk), runtime, '']
}
