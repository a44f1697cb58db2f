import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { readState } from '../src/instance/state.ts'
import type { Product } from './product.ts'

/** The loopback ports that a running machine's QEMU listens on for TCP (proc(5)), but that of SSH. Linux only. */
export function qemuPorts({ paths }: Product): number[] {
  const state = readState(paths.state)
  if (!state) throw new Error('the machine does not run')
  const folder = `/proc/${state.qemu.pid}/fd`
  const own = new Set(readdirSync(folder).map((fd) => readlinkSync(`${folder}/${fd}`)))
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, local = '', , status, , , , , , inode] = line.trim().split(/\s+/)
      return local.startsWith('0100007F:') && status === '0A' && own.has(`socket:[${inode}]`)
        ? [Number.parseInt(local.slice(9), 16)]
        : []
    })
    .filter((port) => port !== state.sshPort)
}
