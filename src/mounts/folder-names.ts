import fs, { type Stats } from 'node:fs'
import { makeRoom } from './make-room.ts'
import { bytesOf, folderOf, join, nameOf } from './share-path.ts'

/** Bytes of a folder that is read for the sake of hints. One that was large stays so on some file systems, when empty too. */
const LARGEST = 64 * 1024

/** Folders of which it is remembered that they tell upper and lower case apart, and for how many milliseconds. */
const REMEMBERED = 256
const MEMORY_MS = 60_000

/** Reads the names of small folders, to tell a client what is not there. For local file systems of Linux. */
export class FolderNames {
  /** Device and inode of a folder, and when it was looked at. */
  readonly #apart = new Map<string, number>()
  readonly #exists: (place: string) => boolean

  /** `exists` is for tests. */
  constructor(exists: (place: string) => boolean = isThere) {
    this.#exists = exists
  }

  /**
   * The names in a folder of the host (a real path, byte string), as byte strings. Gives undefined where there are more than
   * `most`, and where other spellings of a name may lead to the same file: then a name that is none of them may be there all
   * the same. `made`: the folder was just made. Throws system errors.
   */
  whole(place: string, most: number, made: boolean): string[] | undefined {
    const folder = fs.lstatSync(bytesOf(place))
    if (folder.size > LARGEST) return undefined
    const names = fs
      .readdirSync(bytesOf(place), { encoding: 'buffer' })
      .map((name) => name.toString('latin1'))
    if (names.length > most || !this.#tellsCaseApart(place, folder, names, made)) return undefined
    // Not anew for what is only remembered.
    if (!this.#remembers(folder)) this.#remember(folder)
    return names
  }

  /**
   * FAT does not, nor do folders of ext4 with `+F`. What is made in a folder has it from there; of any other folder its own
   * name says nothing.
   */
  #tellsCaseApart(place: string, folder: Stats, names: string[], made: boolean): boolean {
    const name = names.find(hasLetter)
    if (name !== undefined) {
      const other = otherCase(name)
      return names.includes(other) || !this.#exists(join(place, other))
    }
    if (this.#remembers(folder)) return true
    if (!made) return false
    const own = nameOf(place)
    const above = folderOf(place)
    if (hasLetter(own)) return !this.#exists(join(above, otherCase(own)))
    return this.#remembers(fs.lstatSync(bytesOf(above)))
  }

  #remembers(folder: Stats): boolean {
    const since = this.#apart.get(keyOf(folder))
    return since !== undefined && performance.now() - since < MEMORY_MS
  }

  #remember(folder: Stats): void {
    const key = keyOf(folder)
    this.#apart.delete(key)
    makeRoom(this.#apart, REMEMBERED)
    this.#apart.set(key, performance.now())
  }
}

function keyOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`
}

function isThere(place: string): boolean {
  return fs.lstatSync(bytesOf(place), { throwIfNoEntry: false }) !== undefined
}

function hasLetter(name: string): boolean {
  return /[a-z]/i.test(name)
}

function otherCase(name: string): string {
  return name.replace(/[a-z]/gi, (letter) =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  )
}
