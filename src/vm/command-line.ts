import { type ClusterLink, clusterCard } from './cluster-link.ts'
import { escape } from './escape.ts'
import { guestMemory, type MountDevices, mountDevices, serialPort } from './mount-devices.ts'

/** An accelerator of QEMU. */
export type Accelerator = 'kvm' | 'hvf' | 'tcg'

/** Everything that decides QEMU's command line; paths are absolute, sizes in bytes. */
export interface MachineSpec {
  name: string
  arch: 'x86_64' | 'aarch64'
  accelerator: Accelerator
  /** QEMU's CPU model; empty for the best one the accelerator has. */
  cpuType: string
  cpus: number
  memory: number
  kernel: string
  initrd: string
  rootDisk: string
  dataDisk: string
  seed: string
  mac: string
  mounts: MountDevices
  /** To the machines that are nodes of the same cluster; undefined for a machine that has no part in any. */
  links: readonly ClusterLink[] | undefined
  paths: MachinePaths
  /** Which optional devices this QEMU has. */
  capabilities: QemuCapabilities
}

/** Files and sockets QEMU makes. */
export interface MachinePaths {
  qmp: string
  guestLink: string
  /** For the guest's DNS queries. */
  names: string
  serialLog: string
  pidFile: string
}

/** What this QEMU can do, as it said itself (see capabilities.ts). */
export interface QemuCapabilities {
  /** The balloon gives pages the guest freed back to the host. */
  freePageReporting: boolean
}

const machines = { x86_64: 'q35', aarch64: 'virt' }
const consoles = { x86_64: 'ttyS0', aarch64: 'ttyAMA0' }

/** The program that runs machines of an architecture. */
export function qemuProgram(arch: MachineSpec['arch']): string {
  return `qemu-system-${arch}`
}

/** The arguments for QEMU. Pure. Sources: QEMU manual, "Invocation" and "virtio-serial". */
export function qemuArguments(spec: MachineSpec): string[] {
  const { paths } = spec
  const memory = guestMemory(spec.mounts, spec.memory)
  return [
    // A readable title in process lists.
    ...['-name', `guest=${escape(spec.name)}`],
    // Nothing but what stands here: no floppy, no VGA, no file of the user's.
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-machine', machines[spec.arch] + memory.machine],
    ...accelerator(spec.accelerator),
    ...['-cpu', cpuModel(spec)],
    ...['-smp', String(spec.cpus)],
    ...memory.args,
    ...['-kernel', spec.kernel, '-initrd', spec.initrd, '-append', kernelCommandLine(spec)],
    ...disk('root', spec.rootDisk, 'qcow2'),
    ...disk('data', spec.dataDisk, 'qcow2'),
    ...disk('seed', spec.seed, 'raw', true),
    // QEMU's user network: no root, no bridge. The SSH port and all others are added over the monitor.
    ...['-netdev', 'user,id=net0', '-device', `virtio-net-pci,netdev=net0,mac=${spec.mac}`],
    ...(spec.links ? clusterCard(spec.mac, spec.links) : []),
    ...serialDevice(spec.accelerator),
    ...serialPort('guest', 'tcolima.guest', paths.guestLink),
    ...serialPort('names', 'tcolima.names', paths.names),
    ...mountDevices(spec.mounts),
    ...['-chardev', `socket,id=qmp,path=${escape(paths.qmp)},server=on,wait=off`],
    ...['-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', `file,id=console,path=${escape(paths.serialLog)}`, '-serial', 'chardev:console'],
    // Entropy from the host: without it the first key exchange may wait.
    ...['-device', 'virtio-rng-pci'],
    ...balloon(spec.capabilities),
    ...['-pidfile', paths.pidFile],
  ]
}

/** The accelerator's options. */
export function accelerator(name: Accelerator): string[] {
  // The default cache of translated code is small for a container engine: a larger one saves translating it again.
  return ['-accel', name === 'tcg' ? 'tcg,thread=multi,tb-size=512' : name]
}

/** The CPU model: the host's where the hardware runs the guest, else everything software emulation can do. */
export function cpuModel(spec: Pick<MachineSpec, 'accelerator' | 'arch' | 'cpuType'>): string {
  if (spec.cpuType !== '') return spec.cpuType
  if (spec.accelerator !== 'tcg') return 'host'
  // Pointer authentication with the architected algorithm is very slow in software (QEMU manual, "Arm CPU Features").
  if (spec.arch === 'aarch64') return 'max,pauth-impdef=on'
  // With these Linux copies by `rep movsb` (arch/x86/lib/copy_user_64.S), which software does byte by byte; else by eight.
  return 'max,-erms,-fsrm'
}

/**
 * The device with the guest's ports. That something is to be fetched from one, KVM tells QEMU's main loop by an eventfd. Other
 * accelerators have nothing of the kind, so that the processor's thread would only wake the main loop: then it fetches it itself.
 */
function serialDevice(accelerator: Accelerator): string[] {
  const direct = accelerator === 'kvm' ? '' : ',ioeventfd=off'
  return ['-device', `virtio-serial-pci,id=serial0,max_ports=31${direct}`]
}

/** The kernel's command line. */
function kernelCommandLine(spec: MachineSpec): string {
  return [
    `console=${consoles[spec.arch]}`,
    // The console is slow under emulation, and only failures are wanted there.
    'quiet',
    'loglevel=4',
    'systemd.show_status=auto',
    // One card, and a name that does not depend on its place on the bus.
    'net.ifnames=0',
    // A guest that crashed starts again instead of hanging.
    'panic=1',
    // Nobody else runs in this machine, and the mitigations of processor faults cost most under emulation.
    ...(spec.accelerator === 'tcg' ? ['mitigations=off'] : []),
    // On a busy host emulated ticks come late: the kernel then takes its timer for a broken one, and Debian 12's hangs.
    ...(spec.accelerator === 'tcg' && spec.arch === 'x86_64' ? ['no_timer_check'] : []),
  ].join(' ')
}

function disk(name: string, file: string, format: 'qcow2' | 'raw', readOnly = false): string[] {
  const options = [
    `driver=${format}`,
    `node-name=${name}`,
    ...(readOnly ? ['read-only=on'] : ['discard=unmap']),
    'file.driver=file',
    `file.filename=${escape(file)}`,
  ]
  // The serial number is how the guest finds a disk, whatever its place.
  return ['-blockdev', options.join(','), '-device', `virtio-blk-pci,drive=${name},serial=${name}`]
}

function balloon(capabilities: QemuCapabilities): string[] {
  return [
    '-device',
    capabilities.freePageReporting ? 'virtio-balloon-pci,free-page-reporting=on' : 'virtio-balloon-pci',
  ]
}
