import { readFileSync } from 'node:fs'
import { readLock } from '../src/host/lock.ts'
import type { Product } from './product.ts'

/** What the agent of a machine has used of the processors so far, in milliseconds, and its resident memory, in MiB. */
export function agentFigures({ paths }: Product): { cpuMs: number; memory: number } {
  const pid = readLock(paths.lock)?.owner.pid
  if (pid === undefined) throw new Error('no agent runs')
  // proc(5): utime and stime are fields 14 and 15, in ticks of 10 ms; the name may hold blanks.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return { cpuMs: (Number(fields[11]) + Number(fields[12])) * 10, memory: Number(kib) / 1024 }
}
