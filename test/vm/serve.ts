import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { expect } from 'vitest'
import { tcolima } from './harness.ts'

const script = readFileSync(path.join(import.meta.dirname, 'serve.pl'))

// The name, `sudo` or nothing, then the servers. Done when they say that they are ready.
const startServers = `n=/tmp/$1; sudo=$2; shift 2; cat >$n.pl
nohup $sudo perl $n.pl "$@" >$n.out 2>&1 & echo $! >$n.pid
for i in $(seq 100); do
  grep -qx ready $n.out && exit; $sudo kill -0 $! || break; perl -e 'select undef, undef, undef, 0.1'
done
cat $n.out >&2; exit 1`

let count = 0

/** Runs servers (see serve.pl) in a guest, as its user or as root; resolves when they listen. Gives what ends them. */
export async function serveIn(
  profile: string,
  specs: string[],
  as: 'user' | 'root' = 'user',
): Promise<() => Promise<void>> {
  const name = `serve.${process.pid}.${count++}`
  const sudo = as === 'root' ? 'sudo' : ''
  const started = await tcolima(
    ['ssh', profile, '--', 'sh', '-c', startServers, 'sh', name, sudo, ...specs],
    { input: script, stdin: 'pipe' },
  )
  expect(started.exitCode, String(started.stderr)).toBe(0)
  return async () => {
    await tcolima(['ssh', profile, '--', 'sh', '-c', 'sudo kill "$(cat "/tmp/$1.pid")"', 'sh', name])
  }
}

/** A place of the host to connect to. */
export type Where = { path: string } | { host: string; port: number }

/** Sends `data` to a place of the host, closes the sending side, gives all that comes back. */
export async function exchange(where: Where, data: Buffer | string): Promise<Buffer> {
  const socket = connect({ ...where, allowHalfOpen: true })
  socket.setTimeout(120_000, () => socket.destroy(new Error('no answer')))
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.end(data)
  await once(socket, 'end')
  return Buffer.concat(chunks)
}
