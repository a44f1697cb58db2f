import os from 'node:os'
import { TcolimaError } from './errors.ts'

/** The machine and the user tcolima works for: everything platform-dependent code asks about, in one value. */
export interface Host {
  platform: 'linux' | 'darwin'
  arch: 'x86_64' | 'aarch64'
  /** The user's home folder. */
  home: string
  user: string
  uid: number
  gid: number
  /** Bytes of memory in the machine. */
  totalMemory: number
  /** Logical processors this process may use. */
  cpus: number
  env: NodeJS.ProcessEnv
}

/** What Node calls the machine; a parameter so that every platform has a test that runs on Linux. */
export interface RawPlatform {
  platform: string
  arch: string
}

/**
 * Takes fields that replace what this machine would say; gives the host.
 * Throws `host` on a platform or processor tcolima does not support.
 */
export function currentHost(
  overrides: Partial<Host> = {},
  raw: RawPlatform = { platform: process.platform, arch: process.arch },
): Host {
  const env = overrides.env ?? process.env
  const uid = process.getuid?.() ?? 0
  return {
    platform: overrides.platform ?? supportedPlatform(raw.platform),
    arch: overrides.arch ?? supportedArch(raw.arch),
    home: env.HOME ?? os.homedir(),
    user: env.USER ?? userName(uid),
    uid,
    gid: process.getgid?.() ?? 0,
    totalMemory: os.totalmem(),
    cpus: os.availableParallelism(),
    ...overrides,
    env,
  }
}

function supportedPlatform(platform: string): Host['platform'] {
  if (platform === 'linux' || platform === 'darwin') return platform
  const hint = platform === 'win32' ? 'On Windows, run tcolima inside WSL 2.' : undefined
  throw new TcolimaError('host', `tcolima runs on Linux and macOS, not on ${platform}`, { hint })
}

function supportedArch(arch: string): Host['arch'] {
  if (arch === 'x64') return 'x86_64'
  if (arch === 'arm64') return 'aarch64'
  throw new TcolimaError('host', `tcolima runs on x86_64 and aarch64 processors, not on ${arch}`, {
    hint: 'Use a 64-bit Node.js if the processor is one of these.',
  })
}

// `os.userInfo` throws for a uid without a passwd entry, which containers often have.
function userName(uid: number): string {
  try {
    return os.userInfo().username
  } catch {
    return String(uid)
  }
}
