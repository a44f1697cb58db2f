import fs from 'node:fs'
import { bytesOf, folderOf, join, nameOf } from './share-path.ts'

/** Bytes of a folder that is read for the sake of hints. One that was large stays so on some file systems, when empty too. */
const LARGEST = 64 * 1024

/**
 * The names in a folder of the host (a real path, byte string), as byte strings. Gives undefined where there are more than
 * `most`, and where other spellings of a name may lead to the same file: then a name that is none of them may be there all
 * the same. `made`: the folder was just made. For local file systems of Linux; throws system errors. `exists` is for tests.
 */
export function wholeFolder(
  place: string,
  most: number,
  made: boolean,
  exists: (place: string) => boolean = isThere,
): string[] | undefined {
  if (fs.lstatSync(bytesOf(place)).size > LARGEST) return undefined
  const names = fs.readdirSync(bytesOf(place), { encoding: 'buffer' }).map((name) => name.toString('latin1'))
  return names.length <= most && tellsCaseApart(place, names, made, exists) ? names : undefined
}

/**
 * FAT does not, nor do folders of ext4 with `+F`. What is made in a folder has it from there; of any other folder its own
 * name says nothing.
 */
function tellsCaseApart(
  place: string,
  names: string[],
  made: boolean,
  exists: (place: string) => boolean,
): boolean {
  const name = names.find(hasLetter)
  if (name !== undefined) {
    const other = otherCase(name)
    return names.includes(other) || !exists(join(place, other))
  }
  return made && hasLetter(nameOf(place)) && !exists(join(folderOf(place), otherCase(nameOf(place))))
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
