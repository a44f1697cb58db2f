import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  accelerator,
  cpuModel,
  type MachineSpec,
  qemuArguments,
  qemuProgram,
} from '../../../src/vm/command-line.ts'
import { escape } from '../../../src/vm/escape.ts'
import type { MountDevices } from '../../../src/vm/mount-devices.ts'

function spec(over: Partial<MachineSpec> = {}, folder = '/i'): MachineSpec {
  return {
    name: 'tcolima',
    arch: 'x86_64',
    accelerator: 'kvm',
    cpuType: '',
    cpus: 2,
    memory: 2 * 2 ** 30,
    kernel: `${folder}/kernel`,
    initrd: `${folder}/initrd`,
    rootDisk: `${folder}/root.qcow2`,
    dataDisk: `${folder}/data.qcow2`,
    seed: `${folder}/seed.tar`,
    mac: '52:54:00:01:02:03',
    mounts: sshfs(0),
    links: undefined,
    paths: {
      qmp: `${folder}/qmp.sock`,
      guestLink: `${folder}/guest.sock`,
      names: `${folder}/names.sock`,
      serialLog: `${folder}/serial.log`,
      pidFile: `${folder}/qemu.pid`,
    },
    capabilities: { freePageReporting: true },
    ...over,
  }
}

function sshfs(count: number, folder = '/i'): MountDevices {
  return {
    type: 'sshfs',
    sockets: Array.from({ length: count }, (_, index) => `${folder}/mount.${index}.sock`),
    window: `${folder}/window`,
  }
}

/** All values of an option. */
function values(args: string[], option: string): string[] {
  return args.flatMap((arg, at) => (arg === option ? [args[at + 1] ?? ''] : []))
}

/** The fields of an option's value as QEMU reads them: a doubled comma is a comma. */
function fields(value: string): string[] {
  return value.split(/(?<!,),(?!,)/).map((field) => field.replaceAll(',,', ','))
}

describe('processor and machine', () => {
  test.each([
    ['kvm', 'x86_64', '', 'q35', 'host', 'kvm'],
    ['hvf', 'aarch64', '', 'virt', 'host', 'hvf'],
    ['tcg', 'x86_64', '', 'q35', 'max,-erms,-fsrm', 'tcg,thread=multi,tb-size=512'],
    ['tcg', 'aarch64', '', 'virt', 'max,pauth-impdef=on', 'tcg,thread=multi,tb-size=512'],
    ['kvm', 'x86_64', 'Skylake-Client', 'q35', 'Skylake-Client', 'kvm'],
    ['tcg', 'aarch64', 'cortex-a72', 'virt', 'cortex-a72', 'tcg,thread=multi,tb-size=512'],
  ] as const)('%s on %s, cpu %j', (accel, arch, cpuType, machine, cpu, accelValue) => {
    const args = qemuArguments(spec({ accelerator: accel, arch, cpuType }))
    expect(values(args, '-machine')).toEqual([machine])
    expect(values(args, '-cpu')).toEqual([cpu])
    expect(values(args, '-accel')).toEqual([accelValue])
    expect(cpuModel({ accelerator: accel, arch, cpuType })).toBe(cpu)
    expect(accelerator(accel)).toEqual(['-accel', accelValue])
    expect(qemuProgram(arch)).toBe(`qemu-system-${arch}`)
  })

  test.each([
    [2 ** 30, '1024M'],
    [1.5 * 2 ** 30, '1536M'],
    [2 ** 30 + 1, '1024M'],
  ])('%d bytes of memory', (memory, text) => {
    const args = qemuArguments(spec({ memory, cpus: 7 }))
    expect(values(args, '-m')).toEqual([text])
    expect(values(args, '-smp')).toEqual(['7'])
  })

  test.each([
    ['x86_64', 'tcg', 'console=ttyS0', true, true],
    ['x86_64', 'kvm', 'console=ttyS0', false, false],
    ['aarch64', 'tcg', 'console=ttyAMA0', true, false],
  ] as const)('the kernel of %s with %s', (arch, accel, console, relaxed, timer) => {
    const words = values(qemuArguments(spec({ arch, accelerator: accel })), '-append')[0]!.split(' ')
    expect(words).toContain(console)
    expect(words).toContain('net.ifnames=0')
    expect(words.includes('mitigations=off')).toBe(relaxed)
    expect(words.includes('no_timer_check')).toBe(timer)
  })

  test.each([
    ['kvm', false],
    ['hvf', true],
    ['tcg', true],
  ] as const)('with %s the ports are served by the processor that asks: %s', (accel, direct) => {
    const device = values(qemuArguments(spec({ accelerator: accel })), '-device').find((one) =>
      one.startsWith('virtio-serial-pci'),
    )!
    expect(fields(device).includes('ioeventfd=off')).toBe(direct)
  })

  test('the balloon reports free pages only where QEMU can', () => {
    const balloon = (freePageReporting: boolean) =>
      values(qemuArguments(spec({ capabilities: { freePageReporting } })), '-device').filter((device) =>
        device.startsWith('virtio-balloon'),
      )
    expect(balloon(true)).toEqual(['virtio-balloon-pci,free-page-reporting=on'])
    expect(balloon(false)).toEqual(['virtio-balloon-pci'])
  })
})

describe('disks, sockets and network', () => {
  test('the guest tells the disks apart by their serial numbers; only the seed is read-only', () => {
    const args = qemuArguments(spec())
    const disks = values(args, '-blockdev').map(fields)
    expect(disks.map((disk) => disk.find((field) => field.startsWith('node-name=')))).toEqual([
      'node-name=root',
      'node-name=data',
      'node-name=seed',
      'node-name=window',
    ])
    expect(disks.map((disk) => disk.includes('read-only=on'))).toEqual([false, false, true, false])
    expect(disks.map((disk) => disk.includes('discard=unmap'))).toEqual([true, true, false, false])
    for (const name of ['root', 'data', 'seed']) {
      expect(values(args, '-device')).toContain(`virtio-blk-pci,drive=${name},serial=${name}`)
    }
  })

  test.each([0, 1, 3])('%d mounts have a port each, named for the guest', (mounts) => {
    const args = qemuArguments(spec({ mounts: sshfs(mounts) }))
    const ports = values(args, '-device').filter((device) => device.startsWith('virtserialport,'))
    expect(ports.map((port) => fields(port).at(-1))).toEqual([
      'name=tcolima.guest',
      'name=tcolima.names',
      ...Array.from({ length: mounts }, (_, index) => `name=tcolima.mount.${index}`),
    ])
    expect(values(args, '-chardev').filter((chardev) => chardev.includes('mount'))).toEqual(
      Array.from(
        { length: mounts },
        (_, index) => `socket,id=mount${index},path=/i/mount.${index}.sock,server=on,wait=off`,
      ),
    )
  })

  test('nothing but what is asked for, and no port of the host', () => {
    const args = qemuArguments(spec())
    expect(args).toEqual(
      expect.arrayContaining(['-nodefaults', '-no-user-config', '-pidfile', '/i/qemu.pid']),
    )
    expect(values(args, '-netdev')).toEqual(['user,id=net0'])
    expect(args.join(' ')).not.toContain('hostfwd')
    expect(values(args, '-device')).toContain('virtio-net-pci,netdev=net0,mac=52:54:00:01:02:03')
  })

  test('a second card on the hub of links to other nodes, and an address of its own', () => {
    const args = qemuArguments(spec({ links: [{ number: 2, local: '/i/w,x/server', remote: '/i/w,x/own' }] }))
    expect(values(args, '-device')).toContain('virtio-net-pci,netdev=cluster,mac=56:54:00:01:02:03')
    expect(values(args, '-netdev').slice(2)).toEqual([
      'dgram,id=link2,local.type=unix,local.path=/i/w,,x/server,remote.type=unix,remote.path=/i/w,,x/own',
      'hubport,id=port2,hubid=1,netdev=link2',
    ])
  })

  test('commas in paths are doubled where QEMU splits, and nowhere else', () => {
    const args = qemuArguments(spec({ mounts: sshfs(1, '/x,y'), name: 'a,b' }, '/x,y'))
    expect(values(args, '-name')).toEqual(['guest=a,,b'])
    const chardevs = values(args, '-chardev').map(fields)
    expect(chardevs.map((chardev) => chardev.find((field) => field.startsWith('path=')))).toEqual([
      'path=/x,y/guest.sock',
      'path=/x,y/names.sock',
      'path=/x,y/mount.0.sock',
      'path=/x,y/qmp.sock',
      'path=/x,y/serial.log',
    ])
    expect(values(args, '-blockdev').map((disk) => fields(disk).at(-1))).toEqual([
      'file.filename=/x,y/root.qcow2',
      'file.filename=/x,y/data.qcow2',
      'file.filename=/x,y/seed.tar',
      'file.filename=/x,y/window',
    ])
    expect(values(args, '-kernel')).toEqual(['/x,y/kernel'])
    expect(values(args, '-initrd')).toEqual(['/x,y/initrd'])
    expect(values(args, '-pidfile')).toEqual(['/x,y/qemu.pid'])
  })

  test('an escaped value has no lone comma and can be read back', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const escaped = escape(text)
        expect(escaped.replaceAll(',,', '')).not.toContain(',')
        expect(escaped.replaceAll(',,', ',')).toBe(text)
      }),
    )
  })
})
