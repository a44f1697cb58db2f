import { TcolimaError } from '../host/errors.ts'
import { run as runProgram } from '../host/run.ts'
import type { Accelerator, QemuCapabilities } from './command-line.ts'

/** What a QEMU program is and can do. */
export interface QemuFacts {
  /** `8.2.1` */
  version: string
  /** Accelerators compiled in. */
  accelerators: Accelerator[]
  capabilities: QemuCapabilities
}

const oldest = [7, 2] as const

/** Asks a QEMU program what it can do. Throws `host` when it is missing or too old. */
export async function qemuFacts(program: string, run = runProgram): Promise<QemuFacts> {
  const [versionText, accelText, balloonText] = await Promise.all([
    run(program, ['--version'], { timeoutMs: 20_000 }),
    run(program, ['-accel', 'help'], { timeoutMs: 20_000 }),
    run(program, ['-device', 'virtio-balloon-pci,help'], { timeoutMs: 20_000 }),
  ])
  const version = parseVersion(versionText.stdout)
  if (version === undefined) throw new TcolimaError('host', `${program} --version gave no version`)
  requireVersion(program, version)
  return {
    version,
    accelerators: parseAccelerators(accelText.stdout),
    capabilities: { freePageReporting: balloonText.stdout.includes('free-page-reporting=') },
  }
}

/** The version in what `--version` printed. */
export function parseVersion(text: string): string | undefined {
  return /version (\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1]
}

/** The accelerators in what `-accel help` printed, those that tcolima uses. */
export function parseAccelerators(text: string): Accelerator[] {
  const words = new Set(text.split(/\s+/))
  return (['kvm', 'hvf', 'tcg'] as const).filter((name) => words.has(name))
}

function requireVersion(program: string, version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return
  throw new TcolimaError(
    'host',
    `${program} is version ${version}; tcolima needs ${oldest.join('.')} or newer`,
    {
      hint: 'Install a newer QEMU (Debian 12, Ubuntu 24.04 and Homebrew have one).',
    },
  )
}
