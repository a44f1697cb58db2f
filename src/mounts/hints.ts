import { attrsOf, type FileAttrs, writeAttrs } from './codec-attrs.ts'
import { ByteReader } from './codec-reader.ts'
import type { Request } from './codec-requests.ts'
import { ByteWriter } from './codec-writer.ts'
import { FolderNames } from './folder-names.ts'
import { opensForChange } from './ops-files.ts'
import { Fx, Fxf, Fxp, HINTS } from './protocol.ts'
import type { Share } from './share.ts'
import { bytesOf, cleanPath, folderOf, join, lstatIfThere, nameOf } from './share-path.ts'
import { PAUSE_MS, TOLD_MS, Walks } from './walks.ts'

/** Files up to this size, in bytes, are given with their OPEN. */
const SMALL_FILE = 32 * 1024
/** Names of a folder that are told. */
const MOST_NAMES = 256
/** Folders in which some client looks for files in vain at once. */
const MISSED = 64
/** Bytes of hints in one packet; the client takes no packet of twice the size. */
const MOST_BYTES = 128 * 1024
/** What the guest's kernel reads in, in bytes. */
const PAGE = 4096

/** A reply that may be asked for: see `HINTS`. */
interface Hint {
  path: string
  request: Buffer
  reply: Buffer
}

/** Makes the hints for one client: what it will probably ask next. */
export class Hints {
  readonly #walks = new Walks()
  readonly #names = new FolderNames()
  /** Folders in which something was looked for in vain, when, and when their names were told, or were too many. */
  readonly #missed = new Map<string, { at: number; told: number }>()

  /**
   * Takes a request that was done and its reply; gives a packet to send before the reply, or undefined. To be called under
   * the lock that the request was done under. Never rejects: without a hint the client asks.
   */
  async with(share: Share, request: Request, reply: Buffer): Promise<Buffer | undefined> {
    try {
      const hints = await this.#hints(share, request, reply)
      return hints.length > 0 ? hintsPacket(request.id, hints) : undefined
    } catch {
      return undefined
    }
  }

  async #hints(share: Share, request: Request, reply: Buffer): Promise<Hint[]> {
    const type = reply[4]
    switch (request.kind) {
      case 'lstat':
        if (type === Fxp.ATTRS) return await this.#siblings(share, request.path)
        return statusIn(reply) === Fx.NO_SUCH_FILE ? await this.#absent(share, request.path) : []
      case 'open':
        return type === Fxp.HANDLE ? await opened(share, request, handleIn(reply)) : []
      case 'remove':
      case 'rmdir':
      case 'symlink':
        return await attributes(share, [parentOf(request.path)])
      case 'mkdir':
        return [
          ...(await attributes(share, [parentOf(request.path), cleanPath(request.path)])),
          ...(statusIn(reply) === Fx.OK ? await this.#namesOf(share, request.path, true) : []),
        ]
      case 'setstat':
        return await attributes(share, [cleanPath(request.path)])
      case 'rename':
      case 'posix-rename':
        return await attributes(share, [...new Set([parentOf(request.from), parentOf(request.to)])])
      default:
        return []
    }
  }

  /** The attributes of files that a client which walks through a folder comes to next. */
  async #siblings(share: Share, path: string): Promise<Hint[]> {
    const clean = cleanPath(path)
    if (clean === '/') return []
    const folder = parentOf(clean)
    const place = folderOf(await share.paths.place(clean))
    const names = await this.#walks.next(folder, nameOf(clean), place)
    return await attributes(
      share,
      names.map((name) => join(folder, name)),
      place,
    )
  }

  /** All names of a folder in which a client looks for one file after the other that is not there: it makes them. */
  async #absent(share: Share, path: string): Promise<Hint[]> {
    const folder = parentOf(path)
    const now = performance.now()
    const before = this.#missed.get(folder)
    // Only the last few: it is no harm to tell late.
    if (!before && this.#missed.size >= MISSED) this.#missed.clear()
    const missed = before ?? { at: Number.NEGATIVE_INFINITY, told: Number.NEGATIVE_INFINITY }
    const tells = now - missed.at < PAUSE_MS && now - missed.told > TOLD_MS
    this.#missed.set(folder, { at: now, told: tells ? now : missed.told })
    return tells ? await this.#namesOf(share, folder, false) : []
  }

  /** The names of a small folder; `made`: it was just made. */
  async #namesOf(share: Share, path: string, made: boolean): Promise<Hint[]> {
    if (share.platform !== 'linux') return []
    const clean = cleanPath(path)
    // With links followed and confined: a folder may be reached by one.
    const place = await share.paths.followed(clean)
    const all = share.paths.files.ifQuick(() => this.#names.whole(place, MOST_NAMES, made))
    if (!all) return []
    const reply = body(Fxp.NAME, (writer) => {
      for (const name of all) writer.text(name)
    })
    return [{ path: clean, request: Buffer.from([Fxp.OPENDIR]), reply }]
  }
}

/** A packet that makes the client forget all hints. */
export function forgetHints(): Buffer {
  return new ByteWriter(HINTS).u32(0).finish()
}

function hintsPacket(id: number, hints: Hint[]): Buffer {
  const writer = new ByteWriter(HINTS, 4096).u32(id)
  for (const { path, request, reply } of hints) {
    if (writer.length > MOST_BYTES) break
    writer.text(path).text(request).text(reply)
  }
  return writer.finish()
}

/** LSTATs of paths, as the client writes them; all in the folder `place` of the host where that is given. */
async function attributes(share: Share, paths: string[], place?: string): Promise<Hint[]> {
  const looks = paths.map(async (path): Promise<Hint | undefined> => {
    const at = place === undefined ? await share.paths.place(path) : join(place, nameOf(path))
    const there = await lstatIfThere(share.paths.files, bytesOf(at))
    const isFolder = there?.isDirectory() ?? false
    // By another name of the file it could change without the client's noticing.
    if (!there || (!isFolder && there.nlink > 1)) return undefined
    if (isFolder) share.observer?.knows(at)
    return lstatHint(path, attrsOf(share.owners.asSeen(there)))
  })
  return (await Promise.all(looks)).filter((hint) => hint !== undefined)
}

/** What comes after an OPEN: the attributes, by path and by handle, and the data of a small file that is to be read. */
async function opened(
  share: Share,
  { path, pflags }: { path: string; pflags: number },
  handle: string,
): Promise<Hint[]> {
  return await share.handles.withFile(handle, async ({ fd }) => {
    const stats = await share.paths.files.fstat(fd)
    const { size, nlink } = stats
    const attrs = attrsOf(share.owners.asSeen(stats))
    const clean = cleanPath(path)
    const hints = [lstatHint(clean, attrs)]
    if (opensForChange(pflags)) {
      if (nlink === 1)
        hints.push({ path: clean, request: ofHandle(Fxp.FSTAT, handle), reply: attrsBody(attrs) })
      if (pflags & Fxf.CREAT) hints.push(...(await attributes(share, [parentOf(clean)])))
    } else if (size > 0 && size <= SMALL_FILE && nlink === 1) {
      // After the attributes: the client's kernel takes newer ones for newer data, and would keep older data for good.
      const data = Buffer.allocUnsafe(size)
      const count = await share.paths.files.read(fd, data, 0, size, 0)
      hints.push({ path: clean, request: readBody(handle, size), reply: dataBody(data.subarray(0, count)) })
    }
    return hints
  })
}

function lstatHint(path: string, attrs: FileAttrs): Hint {
  return { path, request: Buffer.from([Fxp.LSTAT]), reply: attrsBody(attrs) }
}

/** A packet's type and body, without the id between them. */
function body(type: number, fill: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter(type)
  fill(writer)
  return writer.finish().subarray(4)
}

function attrsBody(attrs: FileAttrs): Buffer {
  return body(Fxp.ATTRS, (writer) => writeAttrs(writer, attrs))
}

function ofHandle(type: number, handle: string): Buffer {
  return body(type, (writer) => writer.text(handle))
}

/** The kernel reads whole pages. */
function readBody(handle: string, size: number): Buffer {
  const length = Math.ceil(size / PAGE) * PAGE
  return body(Fxp.READ, (writer) => writer.text(handle).u64(0).u32(length))
}

function dataBody(data: Buffer): Buffer {
  return body(Fxp.DATA, (writer) => writer.text(data))
}

/** The code of a status reply: behind its length, type and id. */
function statusIn(reply: Buffer): number | undefined {
  return reply[4] === Fxp.STATUS ? reply.readUInt32BE(9) : undefined
}

function handleIn(reply: Buffer): string {
  const reader = new ByteReader(reply.subarray(9))
  return reader.text()
}

function parentOf(path: string): string {
  return folderOf(cleanPath(path))
}
