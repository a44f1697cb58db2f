import { accessSync, constants } from 'node:fs'
import { errnoOf, TcolimaError } from '../host/errors.ts'
import { readJson, writeJson } from '../host/files.ts'
import type { Host } from '../host/platform.ts'
import type { Accelerator } from './command-line.ts'
import type { Proof } from './prove.ts'

/** Which accelerator to use, and the warning the user gets when it is not the one of the hardware. */
export interface Choice {
  accelerator: Accelerator
  warning?: { text: string; hint: string }
}

/** What the choice depends on; everything that touches the host comes in as a function. */
export interface ChoiceInput {
  host: Pick<Host, 'platform' | 'arch'>
  guestArch: 'x86_64' | 'aarch64'
  /** What the user asked for. */
  wanted: 'auto' | Accelerator
  /** Accelerators compiled into QEMU. */
  available: Accelerator[]
  /** Names this kernel, this boot and this QEMU: a verdict holds as long as these. */
  key: string
  /** File that remembers verdicts. */
  memory: string
  prove: (name: Accelerator) => Promise<Proof>
  /** Tries to open the device; gives the system's error code. Real files unless told. */
  openDevice?: (path: string) => string | undefined
}

interface Memory {
  version: 1
  key: string
  verdicts: Partial<Record<Accelerator, Proof>>
}

interface Obstacle {
  reason: string
  fix: string
}

/**
 * Chooses the accelerator: the hardware's where a guest has run on it on this host, else software emulation with one
 * warning that names the reason and the fix. One that the user named fails instead: throws `host`.
 */
export async function chooseAccelerator(input: ChoiceInput): Promise<Choice> {
  const { wanted, host } = input
  if (wanted === 'tcg') return { accelerator: 'tcg' }
  const hardware: Accelerator = host.platform === 'darwin' ? 'hvf' : 'kvm'
  const candidate = wanted === 'auto' ? hardware : wanted
  const obstacle = await obstacleTo(candidate, hardware, input)
  if (obstacle === undefined) return { accelerator: candidate }
  if (wanted !== 'auto') {
    throw new TcolimaError('host', `the accelerator ${wanted} does not work here: ${obstacle.reason}`, {
      hint: `${obstacle.fix} Or leave --accel out: software emulation works, more slowly.`,
    })
  }
  // A guest of another architecture was asked for: emulation is the only way, and no fault of the host.
  if (input.guestArch !== host.arch) return { accelerator: 'tcg' }
  return {
    accelerator: 'tcg',
    warning: { text: `software emulation is used, which is slow: ${obstacle.reason}`, hint: obstacle.fix },
  }
}

async function obstacleTo(
  candidate: Accelerator,
  hardware: Accelerator,
  input: ChoiceInput,
): Promise<Obstacle | undefined> {
  if (candidate !== hardware) {
    return { reason: `${input.host.platform} has no ${candidate}`, fix: `Use --accel ${hardware}.` }
  }
  if (input.guestArch !== input.host.arch) {
    return {
      reason: `this host is ${input.host.arch} and the guest ${input.guestArch}`,
      fix: `Use --arch ${input.host.arch}.`,
    }
  }
  if (!input.available.includes(candidate)) {
    return {
      reason: `this QEMU was built without ${candidate}`,
      fix: 'Install the QEMU of your distribution.',
    }
  }
  if (candidate === 'kvm') {
    const obstacle = deviceObstacle((input.openDevice ?? openDevice)('/dev/kvm'))
    if (obstacle) return obstacle
  }
  const proof = await rememberedProof(candidate, input)
  if (proof.works) return undefined
  return {
    reason: `${candidate} is there, but a guest does not run on it (${proof.reason})`,
    fix:
      candidate === 'kvm'
        ? 'If this host is itself a virtual machine, switch on nested virtualisation for it; else look into `dmesg` for kvm.'
        : 'Look for other virtual machine programs that hold the hypervisor, and for `sysctl kern.hv_support` giving 1.',
  }
}

/** Why /dev/kvm cannot be used, for the error code that opening it gave. */
export function deviceObstacle(code: string | undefined): Obstacle | undefined {
  switch (code) {
    case undefined:
      return undefined
    case 'EACCES':
    case 'EPERM':
      return {
        reason: 'no permission for /dev/kvm',
        fix: 'Run `sudo usermod -aG kvm "$USER"`, then log out and in again.',
      }
    case 'ENOENT':
      return {
        reason: '/dev/kvm is missing',
        fix: 'Switch on virtualisation (VT-x, AMD-V) in the firmware, or nested virtualisation if this host is a virtual machine; then `sudo modprobe kvm_intel` or `kvm_amd`.',
      }
    default:
      return { reason: `/dev/kvm cannot be opened (${code})`, fix: 'Look into `dmesg` for kvm.' }
  }
}

function openDevice(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    return errnoOf(error) ?? 'unknown error'
  }
}

async function rememberedProof(name: Accelerator, input: ChoiceInput): Promise<Proof> {
  const memory = readMemory(input)
  const known = memory.verdicts[name]
  if (known) return known
  const proof = await input.prove(name)
  if (!proof.works && proof.passing) return proof
  memory.verdicts[name] = proof
  await writeJson(input.memory, memory)
  return proof
}

function readMemory(input: ChoiceInput): Memory {
  try {
    const memory = readJson(input.memory) as Memory | undefined
    const whole = memory?.version === 1 && typeof memory.verdicts === 'object'
    if (whole && memory.key === input.key) return memory
  } catch {
    // Unreadable: forgotten, and proved again.
  }
  return { version: 1, key: input.key, verdicts: {} }
}
