import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { PlannedForward } from './plan.ts'
import { refusal } from './refusal.ts'

/** The datagrams between one client and the guest. */
export interface UdpFlow {
  send: (data: Buffer) => void
  close: () => void
}

/** How many clients there are at once, and when one that is silent is forgotten. */
export interface UdpLimits {
  flows: number
  idleMs: number
}

// As long as QEMU's own forwards keep theirs (libslirp, SO_EXPIRE): four minutes.
const usual: UdpLimits = { flows: 512, idleMs: 240_000 }

/**
 * Takes the datagrams that come to a port of the host. Each client's go into a flow of its own, which `open` makes, and
 * what `reply` is given goes back to that client. Of more clients than there may be, the one silent longest is forgotten.
 * Throws `failed` with the reason in words when the port cannot be had.
 */
export async function forwardUdp(
  { hostAddress, hostPort }: Pick<PlannedForward, 'hostAddress' | 'hostPort'>,
  open: (reply: (data: Buffer) => void) => UdpFlow,
  { flows: most, idleMs }: UdpLimits = usual,
): Promise<{ close: () => Promise<void> }> {
  const socket = await bound(hostAddress, hostPort)
  // In the order of their last datagrams.
  const flows = new Map<string, { flow: UdpFlow; used: number }>()
  const forget = (key: string) => {
    flows.get(key)?.flow.close()
    flows.delete(key)
  }
  let timer: NodeJS.Timeout | undefined
  const sweep = () => {
    const before = performance.now() - idleMs
    for (const [key, { used }] of flows) {
      if (used > before) break
      forget(key)
    }
    timer = flows.size > 0 ? setTimeout(sweep, idleMs / 4) : undefined
  }
  const used = (key: string, flow: UdpFlow) => {
    flows.delete(key)
    flows.set(key, { flow, used: performance.now() })
  }
  socket.on('message', (data: Buffer, from: RemoteInfo) => {
    const key = `${from.address} ${from.port}`
    let flow = flows.get(key)?.flow
    if (!flow) {
      const [oldest] = flows.keys()
      if (flows.size >= most && oldest !== undefined) forget(oldest)
      const made = open((answer) => {
        if (flows.get(key)?.flow !== made) return
        used(key, made)
        socket.send(answer, from.port, from.address)
      })
      flow = made
    }
    used(key, flow)
    timer ??= setTimeout(sweep, idleMs / 4)
    flow.send(data)
  })
  return {
    close: async () => {
      clearTimeout(timer)
      for (const key of [...flows.keys()]) forget(key)
      await new Promise<void>((resolve) => {
        socket.close(() => resolve())
      })
    },
  }
}

async function bound(address: string, port: number): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => reject(refusal(error, address, port)))
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error')
      // Such as a client that is gone (ICMP).
      socket.on('error', () => undefined)
      resolve()
    })
  })
  return socket
}
