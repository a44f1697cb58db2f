import { escape } from './escape.ts'
import type { Qmp } from './qmp.ts'

/** What joins a machine's network of nodes to another's: datagrams between two Unix sockets, which have no connection to lose. */
export interface ClusterLink {
  /** The other's number in the network; 1 is the server. */
  number: number
  /** The socket that this QEMU makes. */
  local: string
  /** The one that it sends to. */
  remote: string
}

// The card and all links of a machine hang on one hub, so that workers reach each other through their server.
const hub = 1

/** The card for the network of nodes: a running q35 takes no further one. Pure. */
export function clusterCard(mac: string, links: readonly ClusterLink[]): string[] {
  return [
    ...['-netdev', `hubport,id=cluster,hubid=${hub}`],
    ...['-device', `virtio-net-pci,netdev=cluster,mac=${clusterMac(mac)}`],
    ...links.flatMap(({ number, local, remote }) => [
      // QEMU manual, "Invocation": since 7.2.
      ...[
        '-netdev',
        `dgram,id=link${number},local.type=unix,local.path=${escape(local)},remote.type=unix,remote.path=${escape(remote)}`,
      ],
      ...['-netdev', `hubport,id=port${number},hubid=${hub},netdev=link${number}`],
    ]),
  ]
}

/** The address of that card, from the one of the machine's first: another that nobody makes (IEEE 802, locally administered). Pure. */
export function clusterMac(mac: string): string {
  return `56${mac.slice(2)}`
}

/** Joins a running machine's network to another's, anew where it was. Throws `failed` with QEMU's words; nothing is left then. */
export async function plugLink(qmp: Qmp, { number, local, remote }: ClusterLink): Promise<void> {
  await unplugLink(qmp, number)
  const unix = (path: string) => ({ type: 'unix', path })
  const id = `link${number}`
  await qmp.execute('netdev_add', { type: 'dgram', id, local: unix(local), remote: unix(remote) })
  try {
    await qmp.execute('netdev_add', { type: 'hubport', id: `port${number}`, hubid: hub, netdev: id })
  } catch (error) {
    await qmp.execute('netdev_del', { id })
    throw error
  }
}

/** Parts the networks again, where they were joined. */
export async function unplugLink(qmp: Qmp, number: number): Promise<void> {
  for (const id of [`port${number}`, `link${number}`]) {
    // Not there: QEMU has no question for it.
    await qmp.execute('netdev_del', { id }).catch(() => undefined)
  }
}
