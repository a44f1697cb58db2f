import { readFileSync, statSync } from 'node:fs'

// Milliseconds between two looks whether a file has changed.
const lookMs = 1000

/** A file that is read again once it has changed. What it holds is asked for at any time; links are followed. */
export class FollowedFile<T> {
  readonly #file: string
  readonly #parse: (text: string) => T
  readonly #now: () => number
  #lookedAt = Number.NEGATIVE_INFINITY
  #mark: string | undefined
  #value: T

  /** `parse` takes the text of the file, '' where it cannot be read. */
  constructor(file: string, parse: (text: string) => T, now: () => number = () => performance.now()) {
    this.#file = file
    this.#parse = parse
    this.#now = now
    this.#value = parse('')
  }

  /** What the file holds, at most a second old. */
  get value(): T {
    const now = this.#now()
    if (now - this.#lookedAt < lookMs) return this.#value
    this.#lookedAt = now
    const mark = markOf(this.#file)
    if (mark !== this.#mark) {
      this.#mark = mark
      this.#value = this.#parse(textOf(this.#file))
    }
    return this.#value
  }
}

function markOf(file: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true })
    return [ino, size, mtimeNs, ctimeNs].join(' ')
  } catch {
    return ''
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
