import { createSocket } from 'node:dgram'
import type { SocketOwner } from '../host/sockets.ts'
import type { Forwarder } from './forwarder.ts'
import { type Door, guestDoor } from './guest-door.ts'
import { listenOnHost } from './host-end.ts'
import { addLoopbackHostfwd, type HumanMonitor, removeHostfwd } from './hostfwd.ts'
import { forwardUdp, type UdpFlow } from './udp.ts'

/**
 * Forwards through QEMU's user network. The agent listens, with one rule of QEMU's for each port of the guest behind it, on a port
 * of the loopback, made with the first that comes: QEMU has no IPv6 rules, of many TCP connections at once it takes two
 * (see guest-door.ts), and with two UDP rules for one port of the guest answers leave by the wrong one.
 */
export function qemuForwarder(monitor: HumanMonitor, owner: SocketOwner): Forwarder {
  const inner = sharedRules(monitor)
  return {
    open: async (forward) => {
      const { guestPort, proto } = forward
      const rule = inner(proto, guestPort)
      try {
        if (proto === 'tcp') {
          const stop = await listenOnHost(forward, owner, () => rule.door.open())
          return async () => {
            await stop()
            await rule.release()
          }
        }
        const listening = await forwardUdp(forward, (reply) => udpFlow(rule.port, reply))
        return async () => {
          await listening.close()
          await rule.release()
        }
      } catch (error) {
        await rule.release()
        throw error
      }
    },
  }
}

/** A rule on a port of the loopback, for all forwards that lead to one port of the guest. */
interface SharedRule {
  port: () => Promise<number>
  door: Door
  /** The last one takes the rule away. */
  release: () => Promise<void>
}

function sharedRules(monitor: HumanMonitor): (proto: 'tcp' | 'udp', guestPort: number) => SharedRule {
  const rules = new Map<string, { rule: SharedRule; users: number }>()
  return (proto, guestPort) => {
    const key = `${proto} ${guestPort}`
    const shared = rules.get(key) ?? { rule: make(proto, guestPort, key), users: 0 }
    rules.set(key, shared)
    shared.users++
    return shared.rule
  }
  function make(proto: 'tcp' | 'udp', guestPort: number, key: string): SharedRule {
    let made: Promise<number> | undefined
    const port = async () => {
      made ??= addLoopbackHostfwd(monitor, guestPort, proto)
      try {
        return await made
      } catch (error) {
        made = undefined
        throw error
      }
    }
    return {
      port,
      door: guestDoor(port, () => monitor('info version')),
      release: async () => {
        const shared = rules.get(key)
        if (!shared || --shared.users > 0) return
        rules.delete(key)
        const there = await made?.catch(() => undefined)
        if (there !== undefined) await removeHostfwd(monitor, '127.0.0.1', there, proto)
      },
    }
  }
}

function udpFlow(port: () => Promise<number>, reply: (data: Buffer) => void): UdpFlow {
  const socket = createSocket('udp4')
  let closed = false
  // Nobody there at the moment: as with a network, a datagram is lost.
  socket.on('error', () => undefined)
  const to = port().catch(() => undefined)
  const send = async (data: Buffer) => {
    const there = await to
    if (there !== undefined && !closed) socket.send(data, there, '127.0.0.1')
  }
  socket.on('message', (data, from) => {
    void to.then((there) => {
      if (from.port === there) reply(data)
    })
  })
  return {
    send: (data) => void send(data),
    close: () => {
      closed = true
      socket.close()
    },
  }
}
