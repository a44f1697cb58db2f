/** A file of a release of another project, as tcolima uses it. */
export interface Artifact {
  name: string
  version: string
  arch: Arch
  /** Where it lies below GitHub, below a mirror and in the store: `owner/repository/releases/download/tag/file`. */
  path: string
  /** Its digest, where it is known here: 64 hexadecimal digits. */
  sha256?: string
  /** The file of the release that names digests (`sha256sum`'s format), and that file's own digest where it is known. */
  checksums: { path: string; sha256?: string }
}

type Arch = 'x86_64' | 'aarch64'

/** The release of k3s that a cluster has when its settings name none. */
export const K3S_VERSION = 'v1.34.2+k3s1'
const nerdctlVersion = '2.2.0'

// What other projects call the architectures.
const goArch = { x86_64: 'amd64', aarch64: 'arm64' }

const k3sDigests: Record<string, string> = {
  'v1.34.2+k3s1/k3s': '15811d34187e03fe29d0e46108c42cc33e62cec1b3d9d80f50944536ebcad40a',
  'v1.34.2+k3s1/k3s-arm64': '2e1db0e54a8b0d0ab8a264a119c9c617561f9290e7bb2722d795f8bc91b24cf8',
  'v1.34.2+k3s1/k3s-airgap-images-amd64.tar.zst':
    '24359781bd775f513691e98031853d79eac53e265f7d72d1e7325df4f3b18eb0',
  'v1.34.2+k3s1/k3s-airgap-images-arm64.tar.zst':
    '41b34aab92bc5166135dc73217ead65766688fd3543166ce32ffff7e101bef46',
}

/** The program of a release of k3s (docs.k3s.io, "Air-Gap Install"). */
export function k3sProgram(arch: Arch, version = K3S_VERSION): Artifact {
  return k3sFile('k3s', arch === 'x86_64' ? 'k3s' : `k3s-${goArch[arch]}`, arch, version)
}

/** The images of a release of k3s, in the forms it has; the first that is found serves. */
export function k3sImages(arch: Arch, version = K3S_VERSION): Artifact[] {
  const forms = ['tar.zst', 'tar.gz', 'tar']
  return forms.map((form) =>
    k3sFile('k3s-images', `k3s-airgap-images-${goArch[arch]}.${form}`, arch, version),
  )
}

/** nerdctl with all that it works with. Its release names the digest of its checksum file. */
export function nerdctlFull(arch: Arch): Artifact {
  const release = `containerd/nerdctl/releases/download/v${nerdctlVersion}`
  return {
    name: 'nerdctl-full',
    version: nerdctlVersion,
    arch,
    path: `${release}/nerdctl-full-${nerdctlVersion}-linux-${goArch[arch]}.tar.gz`,
    checksums: {
      path: `${release}/SHA256SUMS`,
      sha256: '8b30e94e422ef0db386fc699ec984c6f660668a755f4f9eeb2831c66aa516b2b',
    },
  }
}

/** All that there is for an architecture, each with the forms it has. */
export function allArtifacts(arch: Arch, k3sVersion = K3S_VERSION): Artifact[][] {
  return [[k3sProgram(arch, k3sVersion)], k3sImages(arch, k3sVersion), [nerdctlFull(arch)]]
}

function k3sFile(name: string, file: string, arch: Arch, version: string): Artifact {
  const release = `k3s-io/k3s/releases/download/${version}`
  const sha256 = k3sDigests[`${version}/${file}`]
  return {
    name,
    version,
    arch,
    path: `${release}/${file}`,
    ...(sha256 === undefined ? {} : { sha256 }),
    checksums: { path: `${release}/sha256sum-${goArch[arch]}.txt` },
  }
}
