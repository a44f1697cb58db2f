import { bad, type Checked, good } from './checked.ts'
import { profileName } from './profile.ts'

/** Settings of the cluster in the guest. */
export interface KubernetesConfig {
  enabled: boolean
  /** A release of k3s; '': tcolima's own choice. */
  version: string
  /** Arguments of `k3s server`, after those of tcolima. */
  k3sArgs: readonly string[]
  /** Port of the host's loopback that leads to the API; 0: 6443, or a free one where that is taken. */
  port: number
  /** The profile of the machine whose cluster this one is a node of; '': it has one of its own. */
  join: string
}

/**
 * A release of k3s: `v1.34.2+k3s1`, as its project names it, also without the v, and with the - that tags of images have. Pure.
 */
export function parseK3sVersion(value: unknown): Checked<string> {
  const [, version, suffix] =
    (typeof value === 'string' ? /^v?(\d+\.\d+\.\d+(?:-rc\d+)?)[+-](k3s\d+)$/ : /$^/).exec(String(value)) ??
    []
  if (version !== undefined && suffix !== undefined) return good(`v${version}+${suffix}`)
  return bad('must be a release of k3s such as "v1.34.2+k3s1"')
}

/** Takes the profile of a machine to join; '' for none. Pure. */
export function checkJoin(value: unknown): Checked<string> {
  if (value === '') return good(value)
  try {
    if (typeof value === 'string') return good(profileName(value))
  } catch {
    // Told below, in the words of a setting.
  }
  return bad('must be the name of a profile')
}

/**
 * An argument of `k3s server`: anything but what no program can be given, and what would have k3s be elsewhere than tcolima looks for it
 * and the other nodes. Pure.
 */
export function checkK3sArg(value: unknown): Checked<string> {
  if (typeof value !== 'string' || value === '' || /[\0\n\r]/.test(value)) {
    return bad('must be an argument of k3s server in one line, such as "--disable=traefik"')
  }
  const [flag = '', name = ''] = /^--?([^=]+)/.exec(value) ?? []
  const why = tcolimas.get(name)
  return why === undefined ? good(value) : bad(`must not be ${flag}: ${why}`)
}

/** Arguments of k3s that are not the user's, with those they have as letters (docs.k3s.io, "k3s server"), and why. */
const tcolimas = new Map(
  Object.entries({
    'the node has the name of its machine': ['node-name', 'with-node-id'],
    'tcolima gives nodes their addresses': ['node-ip', 'i', 'flannel-iface', 'advertise-address'],
    'kubernetes.port is the port that the API has on this computer': [
      ...['https-listen-port', 'supervisor-port', 'apiserver-port', 'advertise-port'],
    ],
    'kubernetes.join names the machine whose cluster this one is to join': ['server', 's'],
    'runtime decides what runs the containers': [
      ...['docker', 'container-runtime-endpoint', 'image-service-endpoint', 'rootless'],
    ],
    'tcolima keeps the cluster on the data disk': ['data-dir', 'd'],
    'tcolima reads the kubeconfig where k3s writes it by itself': ['write-kubeconfig', 'o'],
    'a cluster without its own node or API never gets ready': ['disable-agent', 'disable-apiserver'],
  }).flatMap(([why, names]) => names.map((name) => [name, why] as const)),
)

/** A port for the API, 0 for tcolima's choice. Pure. */
export function checkKubernetesPort(value: unknown): Checked<number> {
  if (
    typeof value === 'number' &&
    Number.isInteger(value) &&
    value >= 0 &&
    value <= 65_535 &&
    (value === 0 || value >= 1024)
  ) {
    return good(value)
  }
  return bad('must be a port from 1024 to 65535, or 0 for any')
}
