import { escape } from './escape.ts'

/** What the guest mounts from; the index of a mount is its place in the list, and all of one machine are of one type. */
export type MountDevices =
  /**
   * A virtio-serial port for each, as far as there are ports; QEMU listens on its socket. `window`: the file through which
   * large data goes (src/mounts/window.ts).
   */
  | { type: 'sshfs'; sockets: string[]; window: string }
  /** QEMU serves the folders itself. */
  | { type: '9p'; folders: SharedFolder[] }
  /** A virtiofsd listens on each socket (virtiofsd.ts). */
  | { type: 'virtiofs'; sockets: string[] }

/** A folder of the host that QEMU's own 9p server serves. */
export interface SharedFolder {
  path: string
  writable: boolean
  /** Whether QEMU runs as root. */
  root: boolean
}

/** By what the guest finds its mount: the name of the serial port, or the tag of the file system. */
export function mountTag(index: number): string {
  return `tcolima.mount.${index}`
}

/** QEMU's options for the devices of all mounts. Pure. Sources: QEMU manual, "Invocation"; its docs of 9p and virtiofs. */
export function mountDevices(mounts: MountDevices): string[] {
  switch (mounts.type) {
    case 'sshfs':
      return [
        ...mounts.sockets.flatMap((socket, index) => serialPort(`mount${index}`, mountTag(index), socket)),
        ...windowDisk(mounts.window),
      ]
    case '9p':
      return mounts.folders.flatMap(ninep)
    case 'virtiofs':
      return mounts.sockets.flatMap(virtiofs)
  }
}

/**
 * QEMU's options for the guest's memory, of `bytes`: virtiofsd reads and writes it, so with virtiofs it must be one that
 * processes share. Gives the property of the machine beside them.
 */
export function guestMemory(mounts: MountDevices, bytes: number): { args: string[]; machine: string } {
  const size = `${Math.floor(bytes / 2 ** 20)}M`
  if (mounts.type !== 'virtiofs') return { args: ['-m', size], machine: '' }
  // An anonymous memory file: not bound to the size of /dev/shm, and gone with QEMU.
  const memory = `memory-backend-memfd,id=memory,size=${size},share=on`
  return { args: ['-m', size, '-object', memory], machine: ',memory-backend=memory' }
}

/** A virtio-serial port whose host end is a socket that QEMU listens on. */
export function serialPort(id: string, name: string, socket: string): string[] {
  return [
    ...['-chardev', `socket,id=${id},path=${escape(socket)},server=on,wait=off`],
    ...['-device', `virtserialport,bus=serial0.0,chardev=${id},id=port-${id},name=${name}`],
  ]
}

/** A disk whose file the agent reads and writes as well: both see what the other wrote, in the host's own cache. */
function windowDisk(file: string): string[] {
  return [
    // Nothing in it is to last, and the agent must not wait for the disk when the guest asks for that.
    ...[
      '-blockdev',
      `driver=raw,node-name=window,cache.no-flush=on,file.driver=file,file.filename=${escape(file)}`,
    ],
    // On a full disk the machine would stop until there is room again; so the guest is told, and takes the port.
    ...['-device', 'virtio-blk-pci,drive=window,serial=window,rerror=report,werror=report'],
  ]
}

function ninep({ path, writable, root }: SharedFolder, index: number): string[] {
  const options = [
    `local,id=mount${index},path=${escape(path)}`,
    // An ordinary user cannot give files away: owners stay and the guest's chown does nothing (`none`). For root the
    // guest's chown, set-user-id bits and device nodes would be real ones of the host, so they are kept in extended
    // attributes instead. In a folder that is only read there is nothing to keep.
    `security_model=${root && writable ? 'mapped-xattr' : 'none'}`,
    // Numbers of files on several file systems below one folder do not meet.
    'multidevs=remap',
    // QEMU refuses what would change something, whatever the guest's mount says.
    ...(writable ? [] : ['readonly=on']),
  ]
  return [
    ...['-fsdev', options.join(',')],
    ...['-device', `virtio-9p-pci,fsdev=mount${index},mount_tag=${mountTag(index)}`],
  ]
}

function virtiofs(socket: string, index: number): string[] {
  return [
    ...['-chardev', `socket,id=mount${index},path=${escape(socket)}`],
    // 1024 requests in flight, the most the device takes and what virtiofsd's documentation uses.
    ...['-device', `vhost-user-fs-pci,queue-size=1024,chardev=mount${index},tag=${mountTag(index)}`],
  ]
}
