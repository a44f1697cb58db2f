import { describe, expect, test } from 'vitest'
import { guestMemory, mountDevices } from '../../../src/vm/mount-devices.ts'

const folder = (path: string, writable: boolean, root = false) => ({ path, writable, root })

describe('9p', () => {
  test('a folder each, under a tag the guest finds it by; commas in paths are doubled', () => {
    const folders = [folder('/a', true), folder('/b,c', true)]
    expect(mountDevices({ type: '9p', folders })).toEqual([
      '-fsdev',
      'local,id=mount0,path=/a,security_model=none,multidevs=remap',
      '-device',
      'virtio-9p-pci,fsdev=mount0,mount_tag=tcolima.mount.0',
      '-fsdev',
      'local,id=mount1,path=/b,,c,security_model=none,multidevs=remap',
      '-device',
      'virtio-9p-pci,fsdev=mount1,mount_tag=tcolima.mount.1',
    ])
  })

  test.each([
    // The guest's root must not become the host's.
    [true, true, 'security_model=mapped-xattr', false],
    [true, false, 'security_model=none', true],
    [false, true, 'security_model=none', false],
    [false, false, 'security_model=none', true],
  ])('root %j, writable %j: %s', (root, writable, model, readOnly) => {
    const fields = mountDevices({ type: '9p', folders: [folder('/a', writable, root)] })[1]!.split(',')
    expect(fields).toContain(model)
    expect(fields.includes('readonly=on')).toBe(readOnly)
  })
})

test('virtiofs: QEMU connects to the daemon, and shares the guest memory with it', () => {
  const mounts = { type: 'virtiofs', sockets: ['/i/mount.0.sock'] } as const
  expect(mountDevices({ ...mounts, sockets: [...mounts.sockets] })).toEqual([
    '-chardev',
    'socket,id=mount0,path=/i/mount.0.sock',
    '-device',
    'vhost-user-fs-pci,queue-size=1024,chardev=mount0,tag=tcolima.mount.0',
  ])
  expect(guestMemory({ ...mounts, sockets: [] }, 2 ** 31)).toEqual({
    args: ['-m', '2048M', '-object', 'memory-backend-memfd,id=memory,size=2048M,share=on'],
    machine: ',memory-backend=memory',
  })
})

test.each(['sshfs', '9p'] as const)('%s needs no shared memory', (type) => {
  const mounts = type === 'sshfs' ? { type, sockets: ['/s'], window: '/w' } : { type, folders: [] }
  expect(guestMemory(mounts, 2 ** 30)).toEqual({ args: ['-m', '1024M'], machine: '' })
})

test('the window is a disk that the guest knows by its serial number, and a full disk of the host does not stop the machine', () => {
  expect(mountDevices({ type: 'sshfs', sockets: [], window: '/i,j/window' })).toEqual([
    '-blockdev',
    'driver=raw,node-name=window,cache.no-flush=on,file.driver=file,file.filename=/i,,j/window',
    '-device',
    'virtio-blk-pci,drive=window,serial=window,rerror=report,werror=report',
  ])
})
