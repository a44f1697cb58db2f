import type { Stats } from 'node:fs'
import type { ByteReader } from './codec-reader.ts'
import type { ByteWriter } from './codec-writer.ts'
import { AttrFlag } from './protocol.ts'

/** Attributes of a file as SFTP version 3 has them (draft section 5); a missing field is not sent, or not changed. */
export interface FileAttrs {
  size?: number | undefined
  uid?: number | undefined
  gid?: number | undefined
  /** Type and permission bits, as `st_mode`. */
  mode?: number | undefined
  /** Whole seconds: version 3 has nothing finer. */
  atime?: number | undefined
  mtime?: number | undefined
}

/** Reads an ATTRS structure; extended pairs are read over. */
export function readAttrs(reader: ByteReader): FileAttrs {
  const flags = reader.u32()
  const attrs: FileAttrs = {}
  if (flags & AttrFlag.SIZE) attrs.size = reader.u64()
  if (flags & AttrFlag.UIDGID) {
    attrs.uid = reader.u32()
    attrs.gid = reader.u32()
  }
  if (flags & AttrFlag.PERMISSIONS) attrs.mode = reader.u32()
  if (flags & AttrFlag.ACMODTIME) {
    attrs.atime = reader.u32()
    attrs.mtime = reader.u32()
  }
  if (flags & AttrFlag.EXTENDED) {
    // A count larger than the packet ends in TruncatedPacket after at most a packet's worth of turns.
    for (let left = reader.u32(); left > 0; left--) {
      reader.blob()
      reader.blob()
    }
  }
  return attrs
}

/** Writes an ATTRS structure. Owner and times go in pairs: half a pair counts as none. */
export function writeAttrs(writer: ByteWriter, attrs: FileAttrs): void {
  const { size, uid, gid, mode, atime, mtime } = attrs
  const owner = uid !== undefined && gid !== undefined
  const times = atime !== undefined && mtime !== undefined
  writer.u32(
    (size === undefined ? 0 : AttrFlag.SIZE) |
      (owner ? AttrFlag.UIDGID : 0) |
      (mode === undefined ? 0 : AttrFlag.PERMISSIONS) |
      (times ? AttrFlag.ACMODTIME : 0),
  )
  if (size !== undefined) writer.u64(size)
  if (owner) writer.u32(uid).u32(gid)
  if (mode !== undefined) writer.u32(mode)
  if (times) writer.u32(atime).u32(mtime)
}

/** The attributes of a file as the file system gives them; times outside 32 bits are cut to what fits. */
export function attrsOf(stats: Stats): FileAttrs {
  return {
    size: stats.size,
    uid: stats.uid,
    gid: stats.gid,
    mode: stats.mode,
    atime: seconds(stats.atimeMs),
    mtime: seconds(stats.mtimeMs),
  }
}

function seconds(milliseconds: number): number {
  return Math.min(Math.max(Math.floor(milliseconds / 1000), 0), 0xffffffff)
}
