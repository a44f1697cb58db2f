import { describe, expect, test } from 'vitest'
import { installCommand, typedCommand, withoutDockerDaemon } from '../../../src/host/install-commands.ts'
import { detectManager, missingPackages, type PackageFacts } from '../../../src/host/packages.ts'

const bare = (more: Partial<PackageFacts>): PackageFacts => ({
  platform: 'linux',
  manager: 'apt',
  guestArch: 'x86_64',
  root: false,
  docker: true,
  virtiofs: false,
  which: () => undefined,
  exists: () => false,
  ...more,
})

const table = (facts: PackageFacts) =>
  missingPackages(facts).map(
    ({ program, choices, optional }) =>
      `${program}${optional ? '?' : ''}: ${choices.map((choice) => choice.join('+')).join(' | ')}`,
  )

describe('missingPackages', () => {
  test('apt, not root', () => {
    expect(table(bare({}))).toEqual([
      'qemu-system-x86_64: qemu-system-x86',
      'qemu-img: qemu-utils',
      'tar: tar',
      'ssh: openssh-client',
      'mmdebstrap: mmdebstrap+debian-archive-keyring+gpg',
      'mke2fs: e2fsprogs',
      'newuidmap: uidmap',
      'docker?: docker-cli | docker.io',
    ])
  })
  test('apt, root, aarch64 guest, no docker', () => {
    expect(table(bare({ root: true, guestArch: 'aarch64', docker: false }))).toEqual([
      'qemu-system-aarch64: qemu-system-arm+ipxe-qemu+qemu-efi-aarch64',
      'qemu-img: qemu-utils',
      'tar: tar',
      'ssh: openssh-client',
      'mmdebstrap: mmdebstrap+debian-archive-keyring+gpg',
      'mke2fs: e2fsprogs',
    ])
  })
  test('dnf', () => {
    expect(table(bare({ manager: 'dnf' }))).toEqual([
      'qemu-system-x86_64: qemu-system-x86-core',
      'qemu-img: qemu-img',
      'tar: tar',
      'ssh: openssh-clients',
      'mmdebstrap: mmdebstrap',
      'mke2fs: e2fsprogs',
      'newuidmap: shadow-utils',
      'docker?: docker-cli | moby-cli',
    ])
  })
  test('pacman: mmdebstrap comes from the AUR, so it is not required', () => {
    expect(table(bare({ manager: 'pacman', root: true }))).toEqual([
      'qemu-system-x86_64: qemu-system-x86',
      'qemu-img: qemu-img',
      'tar: tar',
      'ssh: openssh',
      'mmdebstrap?: ',
      'mke2fs: e2fsprogs',
      'docker?: docker',
    ])
    const missing = missingPackages(bare({ manager: 'pacman' }))
    expect(missing.find(({ program }) => program === 'mmdebstrap')?.hint).toContain('AUR')
  })
  test('brew', () => {
    const which = (program: string) => (program === 'tar' || program === 'ssh' ? '/usr/bin/it' : undefined)
    expect(table(bare({ platform: 'darwin', manager: 'brew', guestArch: 'aarch64', which }))).toEqual([
      'qemu-system-aarch64: qemu',
      'qemu-img: qemu',
      'docker?: docker',
    ])
  })
  test.each([
    ['apt', 'virtiofsd | qemu-system-common'],
    ['dnf', 'virtiofsd'],
    ['pacman', 'virtiofsd'],
  ] as const)('virtiofs takes a daemon, with %s', (manager, packages) => {
    expect(table(bare({ manager, virtiofs: true })).at(-1)).toBe(`virtiofsd: ${packages}`)
  })
  test('unknown package manager: names, no packages', () => {
    expect(table(bare({ manager: undefined }))[0]).toBe('qemu-system-x86_64: ')
  })
  test('nothing missing; and mmdebstrap without the keys of Debian is not enough', () => {
    const which = (program: string) => `/bin/${program}`
    expect(table(bare({ which, exists: (file) => file.endsWith('.pgp') }))).toEqual([])
    expect(table(bare({ which }))).toEqual(['mmdebstrap: mmdebstrap+debian-archive-keyring+gpg'])
  })
})

test.each([
  ['linux', 'ID=debian\n', ['apt-get'], 'apt'],
  ['linux', 'NAME=x\nID=linuxmint\nID_LIKE="ubuntu debian"\n', ['apt-get'], 'apt'],
  ['linux', 'ID=fedora\n', ['apt-get', 'dnf'], 'dnf'],
  ['linux', 'ID=\'rocky\'\nID_LIKE="rhel centos fedora"\n', ['dnf'], 'dnf'],
  ['linux', 'ID=manjaro\nID_LIKE=arch\n', ['pacman', 'apt-get'], 'pacman'],
  ['linux', 'ID=unheard\n', ['dnf'], 'dnf'],
  ['linux', 'ID=debian\n', [], undefined],
  ['linux', undefined, ['brew'], undefined],
  ['darwin', undefined, ['brew', 'apt-get'], 'brew'],
  ['darwin', undefined, [], undefined],
] as const)('detectManager %s %j with %j: %s', (platform, text, there, wanted) => {
  const which = (program: string) => there.find((each) => each === program)
  expect(detectManager(platform, text, which)).toBe(wanted)
})

describe('commands', () => {
  const ask = { root: false, sudo: 'ask' } as const
  test.each([
    ['apt', { ...ask, plain: true }, 'sudo apt-get install -y --no-install-recommends a b'],
    [
      'apt',
      { root: false, sudo: 'never-ask' } as const,
      'sudo -n env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends a b',
    ],
    ['dnf', { root: true, sudo: 'ask' } as const, 'dnf install -y --setopt=install_weak_deps=False a b'],
    ['pacman', ask, 'sudo pacman -S --needed --noconfirm a b'],
    ['brew', ask, 'brew install a b'],
  ] as const)('%s %j', (manager, style, wanted) => {
    expect(installCommand(manager, ['a', 'b'], style).join(' ')).toBe(wanted)
  })
  test('typed', () => {
    expect(typedCommand('apt', ['a'], { root: true, update: true })).toBe(
      'apt-get update && apt-get install -y --no-install-recommends a',
    )
    expect(typedCommand('dnf', ['a'], { root: false, update: true })).toBe(
      'sudo dnf install -y --setopt=install_weak_deps=False a',
    )
  })
  test('the mask is gone before the units are disabled', () => {
    const { before, after } = withoutDockerDaemon({ root: true, sudo: 'ask' })
    expect([...before, ...after].map((command) => command[1])).toEqual(['mask', 'unmask', 'disable'])
  })
})
