import path from 'node:path'
import { execa } from 'execa'
import { expect } from 'vitest'

// Milliseconds a text may take to appear, and between two looks.
const limitMs = 20_000
const lookMs = 40

/** A terminal (tmux) in which a command runs; its screen tells `[ended CODE]` afterwards. */
export interface Terminal {
  /** What is on the screen, with the colours where wanted. */
  screen: (colours?: boolean) => Promise<string>
  /** The same, with the lines that the terminal broke joined. */
  whole: () => Promise<string>
  /** Waits until the screen has a text; gives what it was then. */
  shows: (text: string | RegExp) => Promise<string>
  /** Presses keys by tmux's names for them. */
  press: (...keys: string[]) => Promise<void>
  /** Types a text, and Enter. */
  type: (text: string) => Promise<void>
}

/** The terminals of one test file, on a server of their own. */
export class Terminals {
  readonly #socket: string
  readonly #env: Record<string, string>
  #count = 0

  /** `folder` is for the server's socket; `env` is all the commands have. */
  constructor(folder: string, env: Record<string, string>) {
    this.#socket = path.join(folder, 'tmux.sock')
    this.#env = env
  }

  /** Runs a command line of sh on a terminal of a size. */
  async open(
    line: string,
    {
      columns = 100,
      rows = 30,
      env = {},
    }: { columns?: number; rows?: number; env?: Record<string, string> } = {},
  ): Promise<Terminal> {
    const name = `t${++this.#count}`
    const variables = Object.entries({ ...this.#env, ...env }).map(([key, value]) => `${key}=${value}`)
    // What stands there last is told by the screen, which goes with its command.
    const script = `${line}\nprintf '[ended %s]' "$?"\nexec cat >/dev/null`
    const size = ['-x', String(columns), '-y', String(rows)]
    await this.#tmux('new-session', '-d', '-s', name, ...size, 'env', '-i', ...variables, 'sh', '-c', script)
    const screen = async (colours = false) =>
      await this.#tmux('capture-pane', '-p', ...(colours ? ['-e'] : []), '-t', name)
    return {
      screen,
      whole: () => this.#tmux('capture-pane', '-p', '-J', '-t', name),
      shows: async (text) => {
        let seen = ''
        const look = async () => (seen = await screen())
        await expect.poll(look, { timeout: limitMs, interval: lookMs }).toMatch(text)
        return seen
      },
      press: async (...keys) => void (await this.#tmux('send-keys', '-t', name, '--', ...keys)),
      type: async (text) => {
        await this.#tmux('send-keys', '-t', name, '-l', '--', text)
        await this.#tmux('send-keys', '-t', name, 'Enter')
      },
    }
  }

  async close(): Promise<void> {
    await this.#tmux('kill-server')
  }

  async #tmux(...args: string[]): Promise<string> {
    // Its own terminal is none of the user's, and the screen is text in UTF-8.
    const env = { PATH: process.env.PATH, HOME: path.dirname(this.#socket), LC_ALL: 'C.UTF-8' }
    const options = { env, extendEnv: false, timeout: limitMs }
    return (await execa('tmux', ['-S', this.#socket, '-f', '/dev/null', ...args], options)).stdout
  }
}
