import { delay } from '../src/host/delay.ts'
import { readLock } from '../src/host/lock.ts'
import { run } from '../src/host/run.ts'
import { inGuest } from './machine.ts'
import type { Product } from './product.ts'

/** Resident memory of the agent, in MiB. */
export interface Memory {
  before: number
  peak: number
  after: number
  /** How much flowed, in MiB. */
  flowed: number
}

const lookMs = 200
/** MiB of the file that is written and read again and again. */
const chunk = 512

/**
 * Lets `megabytes` flow through the mount at `path` in the guest, half written and half read, then reads with an sshfs
 * that is stopped most of the time; meanwhile looks at the agent's memory.
 */
export async function memoryWhileFlowing(
  product: Product,
  path: string,
  megabytes: number,
  signal: AbortSignal,
): Promise<Memory> {
  const before = await agentMemory(product)
  const rounds = Math.max(1, Math.round(megabytes / chunk / 2))
  const each = Math.min(chunk, Math.ceil(megabytes / 2))
  const words = ['bash', '-c', flow, 'flow', path, String(rounds), String(each)]
  const over = new AbortController()
  const [peak] = await Promise.all([
    highest(product, over.signal),
    inGuest(product, words, signal).finally(() => over.abort()),
  ])
  return { before, peak, after: await agentMemory(product), flowed: rounds * each * 2 }
}

const flow = `set -eu
cd "$1"
for round in $(seq "$2"); do
  dd if=/dev/zero of=flow bs=1M count="$3" conv=fsync,notrunc status=none
  echo 3 | sudo tee /proc/sys/vm/drop_caches >/dev/null
  dd if=flow of=/dev/null bs=1M status=none
done
# A slow client: it asks for as much as it can and is then stopped, with the replies on their way.
echo 3 | sudo tee /proc/sys/vm/drop_caches >/dev/null
for part in 0 1 2 3; do dd if=flow of=/dev/null bs=1M skip=$((part * $3 / 4)) count=$(($3 / 4)) status=none & done
sshfs=$(pgrep -x sshfs)
# Programs look at their current folder, and this one does not answer for a while.
cd /
for step in $(seq 20); do
  sudo kill -STOP $sshfs
  sleep 0.5
  sudo kill -CONT $sshfs
  sleep 0.02
done
wait
rm "$1/flow"`

async function highest(product: Product, over: AbortSignal): Promise<number> {
  let peak = 0
  while (!over.aborted) {
    peak = Math.max(peak, await agentMemory(product))
    await delay(lookMs, over)
  }
  return peak
}

async function agentMemory({ paths }: Product): Promise<number> {
  const agent = readLock(paths.lock)?.owner
  if (agent === undefined) throw new Error('no agent runs')
  return Number((await run('ps', ['-o', 'rss=', '-p', String(agent.pid)])).stdout) / 1024
}
