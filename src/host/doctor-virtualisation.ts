import { type Check, ok } from './check.ts'
import { messageOf, TcolimaError } from './errors.ts'
import type { Host } from './platform.ts'
import type { HostSystem } from './system.ts'

const name = 'virtualisation'
const slow = 'the guest runs under software emulation, many times slower'

/**
 * Whether the processor can run the guest itself. Never an error: software emulation works everywhere. What opens may
 * still not run a guest; only starting one tells.
 */
export async function checkVirtualisation(
  host: Host,
  guestArch: Host['arch'],
  system: HostSystem,
  signal?: AbortSignal,
): Promise<Check> {
  if (guestArch !== host.arch) {
    return ok(name, `not used: a ${guestArch} guest on a ${host.arch} processor needs software emulation`)
  }
  return host.platform === 'darwin' ? await checkHvf(system, signal) : checkKvm(host, system)
}

function checkKvm(host: Host, system: HostSystem): Check {
  const error = system.exists('/dev/kvm') ? system.accessError('/dev/kvm') : 'ENOENT'
  if (error === undefined)
    return ok(name, 'KVM: /dev/kvm opens (whether it runs a guest shows at the first start)')
  if (error === 'EACCES' || error === 'EPERM') {
    return {
      name,
      status: 'warning',
      detail: `no permission to open /dev/kvm: ${slow}`,
      fix: `sudo usermod -aG kvm ${host.user}, then log out and in again`,
    }
  }
  return {
    name,
    status: 'warning',
    detail: `no /dev/kvm: ${slow}`,
    fix:
      host.arch === 'x86_64'
        ? 'switch on VT-x or AMD-V in the firmware (in a virtual machine: nested virtualisation), then: sudo modprobe -a kvm_intel kvm_amd'
        : 'use a kernel with KVM, started at EL2 (in a virtual machine: nested virtualisation)',
  }
}

async function checkHvf(system: HostSystem, signal?: AbortSignal): Promise<Check> {
  let answer: string
  try {
    answer = (
      await system.run('sysctl', ['-n', 'kern.hv_support'], { signal, timeoutMs: 10_000 })
    ).stdout.trim()
  } catch (error) {
    if (error instanceof TcolimaError && error.code === 'cancelled') throw error
    answer = messageOf(error)
  }
  if (answer === '1') return ok(name, 'Hypervisor.framework is there')
  return {
    name,
    status: 'warning',
    detail: `no Hypervisor.framework (kern.hv_support: ${answer}): ${slow}`,
    fix: 'in a virtual machine, switch on nested virtualisation; else this Mac is too old for it',
  }
}
