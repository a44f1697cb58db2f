import type { OciRuntime } from '../../config/choices.ts'
import { containerApi } from '../docker-api/container-api.ts'
import { containerPorts } from '../docker-api/container-ports.ts'
import { dockerContext } from '../docker-api/context.ts'
import { ping } from '../docker-api/ping.ts'
import type { Engine } from '../engine.ts'
import { podmanConnection } from './connection.ts'

/** Podman from Debian's packages, with root's rights in the guest or the user's. It speaks docker's API beside its own. */
export const podman: Engine = {
  name: 'podman',
  packages: [
    ...['podman', 'buildah', 'skopeo', 'crun', 'runc', 'netavark', 'aardvark-dns'],
    // netavark's rules are nft's.
    'nftables',
    // Rootless: ranges of ids, and networks.
    ...['uidmap', 'passt'],
  ],
  readySubject: 'podman',
  units: ['podman.socket', 'podman'],
  sockets: [{ name: 'podman.sock', guestPath: '/run/podman/podman.sock', api: containerApi }],
  ping,
  // Root's are conmon's; the user's are of the network that a container has.
  portHolders: ['conmon', 'pasta', 'rootlessport'],
  containerPorts,
  seedFiles: ({ ociRuntime, rootless }) => ({
    'containers.conf': containersConf(ociRuntime),
    // Whose podman answers at the socket (guest/engines/podman/…/podman-as).
    ...(rootless ? { rootless: '' } : {}),
  }),
  // A docker client is one of two ways to use it.
  clients: [podmanConnection, { ...dockerContext, show: showOptional }],
}

/** containers.conf(5), beside the distribution's. */
function containersConf(ociRuntime: OciRuntime): string {
  return ociRuntime === '' ? '' : `[engine]\nruntime = "${ociRuntime}"\n`
}

async function showOptional(
  input: Parameters<typeof dockerContext.show>[0],
): ReturnType<typeof dockerContext.show> {
  const { detail, warning } = await dockerContext.show(input)
  return detail === 'none' || warning === undefined ? { detail } : { detail, warning }
}
