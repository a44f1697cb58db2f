import type { Recipe } from './recipe.ts'

/** Files that take part in a build. */
export interface BuildFiles {
  /** tar file of our own files, laid over the guest's root folder. */
  overlay: string
  /** Script that runs inside the guest's root folder at the end. */
  customize: string
  /** tar file to write. */
  target: string
  /** Whether this process is root. */
  root: boolean
}

// QEMU's user mode for the processors that images of containers are made for: all of them are 455 MB. Debian 12 has its
// static programs under other names.
const interpreters = [
  'path-exclude=/usr/bin/qemu-*',
  ...['aarch64', 'arm', 'i386', 'loongarch64', 'mips64el', 'ppc64le', 'riscv64', 's390x', 'x86_64'].flatMap(
    (name) => [`path-include=/usr/bin/qemu-${name}`, `path-include=/usr/bin/qemu-${name}-static`],
  ),
]

const debianArchitectures = { x86_64: 'amd64', aarch64: 'arm64' }

/** The arguments of mmdebstrap(1) for a recipe. Pure. */
export function mmdebstrapArguments(recipe: Recipe, files: BuildFiles): string[] {
  return [
    // Without root, user namespaces: newuidmap and a range in /etc/subuid.
    `--mode=${files.root ? 'root' : 'unshare'}`,
    '--variant=minbase',
    `--architectures=${debianArchitectures[recipe.arch]}`,
    `--include=${recipe.packages.join(',')}`,
    // The initrd is ours: Debian's would be made once for each kernel package, for nothing.
    '--aptopt=Acquire::Languages "none"',
    '--dpkgopt=path-exclude=/usr/share/man/*',
    '--dpkgopt=path-exclude=/usr/share/locale/*',
    '--dpkgopt=path-exclude=/usr/share/doc/*',
    ...interpreters.map((option) => `--dpkgopt=${option}`),
    `--customize-hook=tar-in ${quote(files.overlay)} /`,
    `--customize-hook=upload ${quote(files.customize)} /tmp/customize.sh`,
    '--customize-hook=chroot "$1" sh /tmp/customize.sh',
    recipe.suite,
    files.target,
    ...(recipe.mirror === undefined ? [] : [recipe.mirror]),
  ]
}

// mmdebstrap splits the arguments of its special hooks like a shell does.
function quote(file: string): string {
  return `'${file.replaceAll("'", String.raw`'\''`)}'`
}
