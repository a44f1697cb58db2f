import { TcolimaError } from '../../../src/host/errors.ts'
import type { RunOptions } from '../../../src/host/run.ts'
import type { HostSystem } from '../../../src/host/system.ts'

/** A machine made up for a test. */
export interface Machine {
  system: HostSystem
  /** Commands that ran, in order. */
  ran: string[]
  programs: Set<string>
}

/** What a made-up command does: its standard output, or the error it fails with. */
export type Behaviour = (command: string, options: RunOptions) => string | Error | undefined

/** Makes up a machine: programs, files (by path) and what commands do. Packages "install" by `behave`. */
export function machine(
  programs: string[],
  files: Record<string, string> = {},
  behave: Behaviour = () => '',
  more: Partial<HostSystem> = {},
): Machine {
  const ran: string[] = []
  const there = new Set(programs)
  const system: HostSystem = {
    which: (program) => (there.has(program) ? `/usr/bin/${program}` : undefined),
    exists: (file) => file in files,
    readFile: (file) => files[file],
    accessError: () => undefined,
    newestIn: () => Date.now(),
    freeSpace: async () => 50 * 1024 ** 3,
    run: async (cmd, args, options = {}) => {
      const command = [cmd, ...args].join(' ')
      ran.push(command)
      const result = behave(command, options)
      if (result instanceof Error) {
        for (const line of result.message.split('\n')) options.onLine?.(line, 'stderr')
        throw new TcolimaError('failed', result.message)
      }
      return { stdout: result ?? '', stderr: '', exitCode: 0 }
    },
    sleep: async () => {},
    ...more,
  }
  return { system, ran, programs: there }
}
