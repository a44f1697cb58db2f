import fs from 'node:fs'
import { bytesOf, folderOf, join, nameOf } from './share-path.ts'

/**
 * The names in a folder of the host (a real path, byte string), as byte strings. Gives undefined where there are more than
 * `most`, and where other spellings of a name may lead to the same file: then a name that is none of them may be there all
 * the same. For local file systems of Linux; throws system errors. `exists` is for tests.
 */
export function wholeFolder(
  place: string,
  most: number,
  exists: (place: string) => boolean = isThere,
): string[] | undefined {
  const names = upTo(place, most)
  return names && tellsCaseApart(place, names, exists) ? names : undefined
}

function upTo(place: string, most: number): string[] | undefined {
  // Node's types know only text encodings here, but it gives names as bytes too.
  const encoding = 'buffer' as BufferEncoding
  const dir = fs.opendirSync(bytesOf(place), { encoding, bufferSize: most + 1 })
  try {
    const names: string[] = []
    for (let entry = dir.readSync(); entry; entry = dir.readSync()) {
      if (names.length === most) return undefined
      names.push((entry.name as unknown as Buffer).toString('latin1'))
    }
    return names
  } finally {
    dir.closeSync()
  }
}

/** FAT does not, nor do folders of ext4 with `+F`, which what is made in them inherits. */
function tellsCaseApart(place: string, names: string[], exists: (place: string) => boolean): boolean {
  const name = names.find(hasLetter)
  if (name !== undefined) {
    const other = otherCase(name)
    return names.includes(other) || !exists(join(place, other))
  }
  const own = nameOf(place)
  return hasLetter(own) && !exists(join(folderOf(place), otherCase(own)))
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
