import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'
import type { ProvisionScript } from '../config/scripts.ts'
import { environmentFiles } from './environment.ts'
import { provisionFiles } from './provision.ts'
import { shellQuote } from './quote.ts'

/** What an instance tells its guest before anything else starts in it. */
export interface Seed {
  user: { name: string; uid: number }
  hostname: string
  names: {
    /** The host's search domains. */
    search: string[]
    /** Whether QEMU's own forwarder answers while nobody else does. */
    fallback: boolean
  }
  /** OpenSSH private host key. */
  hostKey: string
  /** Public key lines that may log in. */
  authorizedKeys: string[]
  mounts: SeedMount[]
  /** Variables of the user, as they are right in the guest. */
  env: Record<string, string>
  /** Parameters of the settings, for scripts. */
  param: Record<string, string>
  provision: readonly ProvisionScript[]
  /** Further files of the engine, by name: `daemon.json`. */
  files: Record<string, string>
}

/** A folder the guest mounts from the port or the file system with this index. */
export interface SeedMount {
  index: number
  type: 'sshfs' | '9p' | 'virtiofs'
  /** Absolute path in the guest. */
  mountPoint: string
  /** Options of sshfs, or of mount(8). */
  options: string[]
}

// Disks have whole sectors.
const sector = 512

/** The seed disk: a tar file (ustar) padded to whole sectors, as guest/rootfs/usr/lib/tcolima/boot reads it. */
export async function seedDisk(seed: Seed): Promise<Buffer> {
  const tar = pack()
  const add = (name: string, mode: number, text: string) => {
    tar.entry({ name, mode, mtime: new Date(0) }, text)
  }
  add('settings', 0o600, settingsText(seed))
  add('ssh_host_ed25519_key', 0o600, seed.hostKey)
  add('authorized_keys', 0o600, seed.authorizedKeys.map((line) => `${line.trim()}\n`).join(''))
  add('mounts', 0o600, mountsText(seed.mounts))
  const files = {
    ...seed.files,
    ...environmentFiles(seed.env, seed.param),
    ...provisionFiles(seed.provision),
  }
  for (const [name, text] of Object.entries(files)) add(name, 0o600, text)
  tar.finalize()
  const content = await buffer(tar)
  return Buffer.concat([content, Buffer.alloc((sector - (content.length % sector)) % sector)])
}

/** The settings as shell assignments. */
function settingsText(seed: Seed): string {
  return Object.entries({
    USER_NAME: seed.user.name,
    USER_UID: String(seed.user.uid),
    HOST_NAME: seed.hostname,
    DNS_SEARCH: seed.names.search.join(' '),
    DNS_FALLBACK: seed.names.fallback ? 'yes' : 'no',
  })
    .map(([name, value]) => `${name}=${shellQuote(value)}\n`)
    .join('')
}

/** One line a mount: index, type, path in hexadecimal (it may hold any byte), options. */
function mountsText(mounts: SeedMount[]): string {
  return mounts
    .map(({ index, type, mountPoint, options }) =>
      [index, type, Buffer.from(mountPoint).toString('hex'), options.join(',')].join('\t'),
    )
    .map((line) => `${line}\n`)
    .join('')
}
