import { appendFileSync, readFileSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'

/**
 * The folders that a guest knows, those it looked at last kept longest. A guest can wait only for changes of what its
 * kernel has looked up, so nothing else on the host needs watching. It does not look again when an agent was killed: so
 * they are kept in a file, each as a line of JSON.
 */
export class KnownFolders {
  readonly #paths = new Set<string>()
  readonly #limit: number
  readonly #file: string | undefined
  #lines = 0

  /** Takes how many are remembered, and the file; what it says is taken up. */
  constructor(limit: number, file?: string) {
    this.#limit = limit
    this.#file = file
    for (const folder of file === undefined ? [] : readFolders(file)) this.#remember(folder)
    this.#lines = this.#paths.size
  }

  /** Takes a folder the guest looked at; gives the one that is forgotten for it. */
  add(folder: string): string | undefined {
    const { added, dropped } = this.#remember(folder)
    if (added) this.#keep(folder)
    return dropped
  }

  /** Forgets all. */
  clear(): void {
    this.#paths.clear()
    this.#lines = 0
    if (this.#file !== undefined) rmSync(this.#file, { force: true })
  }

  /** All of them. */
  list(): string[] {
    return [...this.#paths]
  }

  #remember(folder: string): { added: boolean; dropped?: string | undefined } {
    const known = this.#paths.delete(folder)
    this.#paths.add(folder)
    if (known || this.#paths.size <= this.#limit) return { added: !known }
    // A Set keeps the order of additions.
    const [dropped] = this.#paths
    if (dropped !== undefined) this.#paths.delete(dropped)
    return { added: true, dropped }
  }

  // A disk that is full costs what is watched after the next kill, no more.
  #keep(folder: string): void {
    if (this.#file === undefined) return
    try {
      appendFileSync(this.#file, `${JSON.stringify(folder)}\n`, { mode: 0o600 })
    } catch {
      return
    }
    this.#lines++
    if (this.#lines <= 2 * this.#limit) return
    this.#lines = this.#paths.size
    const text = this.list().map((each) => `${JSON.stringify(each)}\n`)
    writeFile(this.#file, text.join(''), { mode: 0o600 }).catch(() => {})
  }
}

function readFolders(file: string): string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return []
  }
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as string]
    } catch {
      return [] // cut off by a kill
    }
  })
}
