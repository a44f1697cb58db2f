import { readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { writeFileAtomic } from '../host/files.ts'

/** What a program of the host used before an instance, remembered in the instance's folder. */
export class Former {
  readonly #folder: string
  readonly #file: string

  /** `file` is the name in the folder. */
  constructor(folder: string, file: string) {
    this.#folder = folder
    this.#file = file
  }

  /** Gives undefined when nothing is remembered, or nothing that can be read. */
  read(): string | undefined {
    return this.#readIn(this.#folder)
  }

  async remember(name: string): Promise<void> {
    await this.#rememberIn(this.#folder, name)
  }

  /**
   * Of instances that stop in another order than they started, none may go back to one that is stopped: those that
   * remember `name`, this one, remember `before` from now on, or nothing.
   */
  async passOn(name: string, before: string | undefined): Promise<void> {
    const home = path.dirname(this.#folder)
    for (const each of readdirSync(home)) {
      const sibling = path.join(home, each)
      if (sibling === this.#folder || this.#readIn(sibling) !== name) continue
      if (before === undefined) rmSync(path.join(sibling, this.#file), { force: true })
      else await this.#rememberIn(sibling, before)
    }
  }

  forget(): void {
    rmSync(path.join(this.#folder, this.#file), { force: true })
  }

  async #rememberIn(folder: string, name: string): Promise<void> {
    await writeFileAtomic(path.join(folder, this.#file), `${JSON.stringify({ before: name })}\n`)
  }

  #readIn(folder: string): string | undefined {
    try {
      const { before } = JSON.parse(readFileSync(path.join(folder, this.#file), 'utf8')) as {
        before?: unknown
      }
      return typeof before === 'string' ? before : undefined
    } catch {
      return undefined
    }
  }
}
