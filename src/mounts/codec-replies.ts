import { type FileAttrs, writeAttrs } from './codec-attrs.ts'
import { ByteWriter } from './codec-writer.ts'
import { EXTENSIONS, Fxp, RESUME, VERSION, WINDOW } from './protocol.ts'

/** Slots of the window. */
interface Slots {
  first: number
  slots: number
}

/**
 * SSH_FXP_VERSION with the extensions offered (draft section 4), behind the answer to the relay's `nonce`, and behind the
 * window where there is one.
 */
export function versionReply(nonce?: Buffer, window?: Slots): Buffer {
  const writer = new ByteWriter(Fxp.VERSION, 256).u32(VERSION)
  if (nonce) writer.text(RESUME).text(nonce)
  if (window) writer.text(WINDOW).u32(8).u32(window.first).u32(window.slots)
  for (const [name, version] of EXTENSIONS) writer.text(name).text(version)
  return writer.finish()
}

/** SSH_FXP_STATUS (draft section 7); the language tag stays empty. */
export function statusReply(id: number, status: number, message: string): Buffer {
  return new ByteWriter(Fxp.STATUS).u32(id).u32(status).text(message).text('').finish()
}

/** SSH_FXP_EXTENDED_REPLY to READ_WINDOW: how many bytes there are. */
export function windowReply(id: number, length: number): Buffer {
  return new ByteWriter(Fxp.EXTENDED_REPLY).u32(id).u32(length).finish()
}

/** SSH_FXP_HANDLE. */
export function handleReply(id: number, handle: string): Buffer {
  return new ByteWriter(Fxp.HANDLE).u32(id).text(handle).finish()
}

/** SSH_FXP_ATTRS. */
export function attrsReply(id: number, attrs: FileAttrs): Buffer {
  const writer = new ByteWriter(Fxp.ATTRS).u32(id)
  writeAttrs(writer, attrs)
  return writer.finish()
}

/** One name of a SSH_FXP_NAME reply. */
export interface NameEntry {
  name: string
  longname: string
  attrs: FileAttrs
}

/** SSH_FXP_NAME. */
export function nameReply(id: number, entries: NameEntry[]): Buffer {
  const writer = new ByteWriter(Fxp.NAME, 128 + entries.length * 160).u32(id).u32(entries.length)
  for (const entry of entries) {
    writer.text(entry.name).text(entry.longname)
    writeAttrs(writer, entry.attrs)
  }
  return writer.finish()
}

/** Figures of a file system, in the order of the statvfs@openssh.com reply (OpenSSH PROTOCOL, section 4.4). */
export interface FileSystemFigures {
  blockSize: number
  fragmentSize: number
  blocks: number
  freeBlocks: number
  availableBlocks: number
  files: number
  freeFiles: number
  availableFiles: number
  id: number
  /** 1 read-only, 2 no set-user-id. */
  flags: number
  longestName: number
}

/** SSH_FXP_EXTENDED_REPLY to statvfs and fstatvfs. */
export function statvfsReply(id: number, figures: FileSystemFigures): Buffer {
  const writer = new ByteWriter(Fxp.EXTENDED_REPLY).u32(id)
  writer.u64(figures.blockSize).u64(figures.fragmentSize)
  writer.u64(figures.blocks).u64(figures.freeBlocks).u64(figures.availableBlocks)
  writer.u64(figures.files).u64(figures.freeFiles).u64(figures.availableFiles)
  return writer.u64(figures.id).u64(figures.flags).u64(figures.longestName).finish()
}

/** Bytes before the data of SSH_FXP_DATA: packet length, type, request id, data length. */
export const DATA_HEADER = 13

/**
 * Finishes a SSH_FXP_DATA reply in place. Takes a buffer whose data already stands at `DATA_HEADER`, so that a file is
 * read straight into its reply, and the count of bytes that are there.
 */
export function dataReply(id: number, buffer: Buffer, length: number): Buffer {
  buffer.writeUInt32BE(DATA_HEADER - 4 + length, 0)
  buffer.writeUInt8(Fxp.DATA, 4)
  buffer.writeUInt32BE(id, 5)
  buffer.writeUInt32BE(length, 9)
  return buffer.subarray(0, DATA_HEADER + length)
}
