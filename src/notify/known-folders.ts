/**
 * The folders that a guest knows, those it looked at last kept longest. A guest can wait only for changes of what its
 * kernel has looked up, so nothing else on the host needs watching.
 */
export class KnownFolders {
  readonly #paths = new Set<string>()
  readonly #limit: number

  /** Takes how many are remembered. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Takes a folder the guest looked at; gives whether it is new, and which one is forgotten for it. */
  add(folder: string): { added: boolean; dropped?: string } {
    const known = this.#paths.delete(folder)
    this.#paths.add(folder)
    if (known || this.#paths.size <= this.#limit) return { added: !known }
    // A Set keeps the order of additions.
    const [dropped] = this.#paths
    if (dropped === undefined) return { added: true }
    this.#paths.delete(dropped)
    return { added: true, dropped }
  }

  /** All of them. */
  list(): string[] {
    return [...this.#paths]
  }
}
