import type { Stats } from 'node:fs'
import { type Kept, KeptFiles } from './kept.ts'

/** A user and a group of the guest. */
export interface Owner {
  uid: number
  gid: number
}

/** The bits of a mode that `chmod` sets. */
export const MODE_BITS = 0o7777

/**
 * Who owns which file as the guest sees it. Every file of the host is the guest user's, unless the guest gave it
 * away; that, and modes which the host's file must not or cannot have, is kept beside the files (`KeptFiles`), and
 * nothing of it ever changes an owner on the host. One for all sessions of a guest: their shares may overlap.
 *
 * A file is known by its inode and its time of birth, so it keeps its owner when it is renamed, and a new file in the
 * inode of a removed one does not get it. Not by its device, whose number is given anew at every boot.
 */
export class Owners {
  private readonly user: Owner
  private readonly kept: KeptFiles

  /** Takes the guest user, and what is kept already. */
  constructor(user: Owner, kept = new KeptFiles()) {
    this.user = user
    this.kept = kept
  }

  /** Whether nothing is kept of any file: no look at the host is needed to know that. */
  get empty(): boolean {
    return this.kept.size === 0
  }

  /** Turns a file's attributes from the host into what the guest sees; changes and gives the object it got. */
  asSeen(stats: Stats): Stats {
    const kept = this.find(stats)
    const [uid, gid] = this.ownerOf(kept)
    stats.uid = uid
    stats.gid = gid
    // Somebody on the host set another mode since: that one counts.
    const mode = kept?.mode && kept.mode[1] === (stats.mode & MODE_BITS) ? kept.mode[0] : undefined
    if (mode !== undefined) stats.mode = (stats.mode & ~MODE_BITS) | mode
    return stats
  }

  /** Gives a file, by its attributes from the host, to a user and a group; undefined leaves either as it is. */
  setOwner(stats: Stats, uid: number | undefined, gid: number | undefined): void {
    const kept = this.find(stats)
    const [oldUid, oldGid] = this.ownerOf(kept)
    this.put(stats, { owner: this.foreign(uid ?? oldUid, gid ?? oldGid), mode: kept?.mode })
  }

  /** Keeps the mode that the guest shall see for a file, where it is not the one that the host's file has now. */
  setMode(stats: Stats, seen: number, host: number): void {
    const mode = seen === host ? undefined : ([seen, host] as const)
    this.put(stats, { owner: this.find(stats)?.owner, mode })
  }

  /**
   * Gives a new file to the owner of its folder, where that is not the guest user. SFTP does not tell who makes a file;
   * who makes one in a folder that was given away is mostly who got it.
   */
  inherit(made: Stats, folder: Stats): void {
    this.put(made, { owner: this.find(folder)?.owner })
  }

  /** Takes what is kept of a file over to what it is known by now: on macOS, setting its times can change its birth. */
  follow(before: Stats, now: Stats): void {
    const kept = this.find(before)
    if (kept === undefined || keyOf(before) === keyOf(now)) return
    this.put(now, kept)
    this.forget(before)
  }

  /** Keeps nothing of a file any more, since it is gone. Never throws: what stays on disk does no harm. */
  forget(gone: Stats): void {
    try {
      this.put(gone, {})
    } catch {
      // The file is gone, and with a full disk this is what is left to say about it: nothing.
    }
  }

  /** Closes what the owners are kept in. */
  close(): void {
    this.kept.close()
  }

  private find(stats: Stats): Kept | undefined {
    return this.empty ? undefined : this.kept.get(keyOf(stats))
  }

  private ownerOf(kept: Kept | undefined): readonly [number, number] {
    return kept?.owner ?? [this.user.uid, this.user.gid]
  }

  private foreign(uid: number, gid: number): Kept['owner'] {
    return uid === this.user.uid && gid === this.user.gid ? undefined : [uid, gid]
  }

  private put(stats: Stats, kept: Kept): void {
    const key = keyOf(stats)
    if (kept.owner || kept.mode) this.kept.set(key, kept)
    else this.kept.delete(key)
  }
}

// Without a time of birth an inode says little. Milliseconds with fractions: exact enough, and the same every time.
function keyOf({ dev, ino, birthtimeMs }: Stats): string {
  return birthtimeMs === 0 ? `${dev}/${ino}` : `${ino}@${birthtimeMs}`
}
