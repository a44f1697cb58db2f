import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'

const root = path.resolve(import.meta.dirname, '../../..')

/** A Node.js process that runs TypeScript of a test. */
export interface Child {
  child: ChildProcess
  pid: number
  /** The next line it prints; throws when it ends first. */
  line: () => Promise<string>
  /** Ends it with a signal and waits until it is reaped. */
  kill: (signal?: NodeJS.Signals) => Promise<void>
}

/** Takes TypeScript that imports `src/...`; bundles it into `outfile` for `startNode`. */
export async function bundle(source: string, outfile: string): Promise<void> {
  await build({
    stdin: { contents: source, resolveDir: root, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile,
  })
}

/** Starts a bundled script. */
export function startNode(script: string, args: string[]): Child {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    child,
    pid: child.pid!,
    line: async () => {
      const next = await lines.next()
      if (next.done) throw new Error('the child ended')
      return next.value
    },
    kill: async (signal = 'SIGKILL') => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    },
  }
}
