import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * Names the process that has a port of this host, as `name (process 123)`; a QEMU with the name of its machine. Gives
 * undefined where that cannot be told: another user's process, macOS. Reads all of /proc (proc(5)): not for each second.
 */
export function portHolder(proto: 'tcp' | 'udp', port: number, proc = '/proc'): string | undefined {
  try {
    const inodes = new Set([proto, `${proto}6`].flatMap((table) => inodesOf(`${proc}/net/${table}`, port)))
    if (inodes.size === 0) return undefined
    for (const pid of readdirSync(proc)) {
      if (/^\d+$/.test(pid) && holds(`${proc}/${pid}`, inodes))
        return `${nameOf(`${proc}/${pid}`)} (process ${pid})`
    }
  } catch {
    // No /proc here.
  }
  return undefined
}

/** The inodes of the sockets that listen (TCP, state 0A) or take datagrams (UDP, 07) at a port. */
function inodesOf(table: string, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return readFileSync(table, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
      return local?.endsWith(`:${hex}`) && (state === '0A' || state === '07') && inode
        ? [`socket:[${inode}]`]
        : []
    })
}

function holds(folder: string, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`${folder}/fd`).some((fd) => {
      try {
        return inodes.has(readlinkSync(`${folder}/fd/${fd}`))
      } catch {
        return false
      }
    })
  } catch {
    // Another user's, or gone.
    return false
  }
}

function nameOf(folder: string): string {
  const words = readFileSync(`${folder}/cmdline`, 'utf8').split('\0')
  const name = readFileSync(`${folder}/comm`, 'utf8').trim()
  const machine = words[words.indexOf('-name') + 1]?.replace(/^guest=/, '')
  return name.startsWith('qemu-system') && words.includes('-name') && machine ? `${name} of ${machine}` : name
}
