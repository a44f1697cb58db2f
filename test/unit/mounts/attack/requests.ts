import { writeAttrs } from '../../../../src/mounts/codec-attrs.ts'
import { packet } from '../client.ts'
import type { ByteWriter } from '../../../../src/mounts/codec-writer.ts'
import { Fxf, Fxp } from '../../../../src/mounts/protocol.ts'

/** A way to aim a request at a path, or at a handle. */
export interface Aim {
  name: string
  type: number
  /** Whether it can change something: a read-only share refuses it. */
  changes: boolean
  /** Whether it makes, replaces or removes a name, so that the share itself is no aim for it. */
  entry: boolean
  /** Writes the fields behind the request's id. */
  fill: (writer: ByteWriter, aim: string) => void
}

/** The whole packet of a request. */
export function packetOf(aim: Aim, id: number, target: string): Buffer {
  return packet(aim.type, id, (writer) => aim.fill(writer, target))
}

type Fill = Aim['fill']

const look = (name: string, type: number, fill: Fill = path): Aim => ({
  name,
  type,
  changes: false,
  entry: false,
  fill,
})
const change = (name: string, type: number, fill: Fill = path): Aim => ({
  name,
  type,
  changes: true,
  entry: false,
  fill,
})
const entry = (name: string, type: number, fill: Fill = path): Aim => ({
  name,
  type,
  changes: true,
  entry: true,
  fill,
})

/** Every request that takes a path, and every role the path can have in it; the other path is a good one. */
export const pathAims: Aim[] = [
  look('OPEN to read', Fxp.OPEN, opening(Fxf.READ)),
  change('OPEN to write', Fxp.OPEN, opening(Fxf.READ | Fxf.WRITE)),
  change('OPEN to append', Fxp.OPEN, opening(Fxf.WRITE | Fxf.APPEND)),
  change('OPEN to truncate', Fxp.OPEN, opening(Fxf.WRITE | Fxf.TRUNC)),
  change('OPEN to create', Fxp.OPEN, opening(Fxf.WRITE | Fxf.CREAT)),
  change('OPEN to create new', Fxp.OPEN, opening(Fxf.WRITE | Fxf.CREAT | Fxf.EXCL)),
  look('LSTAT', Fxp.LSTAT),
  look('STAT', Fxp.STAT),
  change('SETSTAT size', Fxp.SETSTAT, setting({ size: 0 })),
  change('SETSTAT mode', Fxp.SETSTAT, setting({ mode: 0o777 })),
  change('SETSTAT times', Fxp.SETSTAT, setting({ atime: 1, mtime: 2 })),
  change('SETSTAT owner', Fxp.SETSTAT, setting({ uid: 1, gid: 1 })),
  look('OPENDIR', Fxp.OPENDIR),
  entry('REMOVE', Fxp.REMOVE),
  entry('MKDIR', Fxp.MKDIR, setting({ mode: 0o777 })),
  entry('RMDIR', Fxp.RMDIR),
  look('REALPATH', Fxp.REALPATH),
  look('READLINK', Fxp.READLINK),
  entry('SYMLINK at', Fxp.SYMLINK, (writer, aim) => writer.text('target').text(aim)),
  entry('RENAME from', Fxp.RENAME, (writer, aim) => writer.text(aim).text('/taken')),
  entry('RENAME to', Fxp.RENAME, (writer, aim) => writer.text('/file').text(aim)),
  entry(
    'posix-rename from',
    Fxp.EXTENDED,
    two('posix-rename@openssh.com', (aim) => [aim, '/taken']),
  ),
  entry(
    'posix-rename to',
    Fxp.EXTENDED,
    two('posix-rename@openssh.com', (aim) => ['/file', aim]),
  ),
  entry(
    'hardlink from',
    Fxp.EXTENDED,
    two('hardlink@openssh.com', (aim) => [aim, '/taken']),
  ),
  entry(
    'hardlink to',
    Fxp.EXTENDED,
    two('hardlink@openssh.com', (aim) => ['/file', aim]),
  ),
  look(
    'statvfs',
    Fxp.EXTENDED,
    two('statvfs@openssh.com', (aim) => [aim]),
  ),
]

/** Every request that takes a handle. */
export const handleAims: Aim[] = [
  look('CLOSE', Fxp.CLOSE),
  look('READ', Fxp.READ, (writer, aim) => writer.text(aim).u64(0).u32(100)),
  change('WRITE', Fxp.WRITE, (writer, aim) => writer.text(aim).u64(0).text('written')),
  look('FSTAT', Fxp.FSTAT),
  change('FSETSTAT', Fxp.FSETSTAT, (writer, aim) =>
    writeAttrs(writer.text(aim), { size: 0, mode: 0o777, atime: 1, mtime: 2 }),
  ),
  look('READDIR', Fxp.READDIR),
  look(
    'fstatvfs',
    Fxp.EXTENDED,
    two('fstatvfs@openssh.com', (aim) => [aim]),
  ),
  look(
    'fsync',
    Fxp.EXTENDED,
    two('fsync@openssh.com', (aim) => [aim]),
  ),
]

function path(writer: ByteWriter, aim: string): void {
  writer.text(aim)
}

function opening(pflags: number): Fill {
  return (writer, aim) => writeAttrs(writer.text(aim).u32(pflags), { mode: 0o666 })
}

function setting(attrs: Parameters<typeof writeAttrs>[1]): Fill {
  return (writer, aim) => writeAttrs(writer.text(aim), attrs)
}

function two(extension: string, fields: (aim: string) => string[]): Fill {
  return (writer, aim) => {
    for (const field of [extension, ...fields(aim)]) writer.text(field)
  }
}
