import type { Duplex } from 'node:stream'
import { messageOf } from '../host/errors.ts'
import type { UdpFlow } from './udp.ts'
import { DatagramReader, encodeDatagram, encodeFlowEnd } from './udp-frames.ts'

/** Brings datagrams to one port of the guest. */
export interface DatagramRelay {
  /** A client's datagrams; `reply` gets the guest's answers to them. */
  flow: (reply: (data: Buffer) => void) => UdpFlow
  close: () => void
}

// Bytes that may wait for the guest; datagrams beyond them are lost, as in any network.
const mostWaiting = 4 * 2 ** 20

/** Gives one relay for each port of the guest, however many ends it has on the host; it ends with the last of them. */
export function sharedRelays(
  make: (host: string, port: number) => DatagramRelay,
): (host: string, port: number) => DatagramRelay {
  const relays = new Map<string, { relay: DatagramRelay; users: number }>()
  return (host, port) => {
    const key = `${host} ${port}`
    const shared = relays.get(key) ?? { relay: make(host, port), users: 0 }
    relays.set(key, shared)
    shared.users++
    return {
      flow: (reply) => shared.relay.flow(reply),
      close: () => {
        if (--shared.users > 0) return
        relays.delete(key)
        shared.relay.close()
      },
    }
  }
}

/**
 * Brings datagrams over SSH, which has only streams: `start` runs guest/rootfs/usr/lib/tcolima/udp-relay in the guest with
 * the first datagram, and again when it ended.
 */
export function datagramRelay(start: () => Promise<Duplex>, log: (line: string) => void): DatagramRelay {
  const replies = new Map<number, (data: Buffer) => void>()
  let last = 0
  let running: Promise<Duplex | undefined> | undefined
  let stream: Duplex | undefined
  let closed = false
  const begin = async (): Promise<Duplex | undefined> => {
    try {
      const begun = await start()
      const frames = new DatagramReader()
      begun.on('data', (chunk: Buffer) => {
        for (const { flow, data } of frames.push(chunk)) replies.get(flow)?.(data)
      })
      begun.on('error', () => begun.destroy())
      begun.on('close', () => {
        if (stream === begun) {
          stream = undefined
          running = undefined
        }
      })
      if (closed) begun.destroy()
      stream = begun
      return begun
    } catch (error) {
      log(`UDP over SSH: ${messageOf(error)}`)
      running = undefined
      return undefined
    }
  }
  const write = (frame: Buffer) => {
    running ??= begin()
    void running.then((to) => {
      if (to && !to.destroyed && to.writableLength < mostWaiting) to.write(frame)
    })
  }
  return {
    flow: (reply) => {
      const id = ++last
      replies.set(id, reply)
      return {
        send: (data) => write(encodeDatagram(id, data)),
        close: () => {
          replies.delete(id)
          if (stream) write(encodeFlowEnd(id))
        },
      }
    },
    close: () => {
      closed = true
      stream?.destroy()
    },
  }
}
