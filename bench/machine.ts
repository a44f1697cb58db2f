import path from 'node:path'
import { run } from '../src/host/run.ts'
import { instancePaths } from '../src/instance/paths.ts'
import type { Product } from './product.ts'

/** Runs a command in the guest, as `tcolima ssh` does; gives what it printed. Throws when it fails, or on abort. */
export async function inGuest(
  { main, env, paths }: Product,
  words: string[],
  signal: AbortSignal,
): Promise<string> {
  const args = [main, 'ssh', paths.profile, '--', ...words]
  return (await run(process.execPath, args, { env, signal, cwd: '/' })).stdout
}

/** Starts a machine of 2 processors and 2 GiB with one writable folder. */
export async function startMachine(
  { main, env, paths }: Product,
  folder: string,
  flags: string[],
  signal: AbortSignal,
): Promise<void> {
  const size = ['--cpus', '2', '--memory', '2', '--disk', '10', '--activate', 'false']
  const args = [main, 'start', paths.profile, ...size, '--mount', `${folder}:w`, ...flags]
  await run(process.execPath, args, { env, signal })
}

/** A machine named `bench` with a home of its own in a scratch folder. */
export function benchMachine(scratch: string): Product {
  const home = path.join(scratch, 'home')
  return {
    main: path.resolve('dist/main.cjs'),
    env: { HOME: scratch, TCOLIMA_HOME: home },
    paths: instancePaths(home, 'bench'),
  }
}

/** A signal that Ctrl-C and its like abort, so that what was made is removed. */
export function interruption(): AbortSignal {
  const abort = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => abort.abort(new Error('interrupted')))
  }
  return abort.signal
}
