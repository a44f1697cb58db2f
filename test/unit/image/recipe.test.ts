import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ext4Script } from '../../../src/image/ext4.ts'
import { mmdebstrapArguments } from '../../../src/image/mmdebstrap.ts'
import {
  overlays,
  type Recipe,
  recipeDigest,
  recipeFor,
  type RecipeInput,
} from '../../../src/image/recipe.ts'

const docker = { name: 'docker', packages: ['docker.io'] }
let guest: string
beforeEach(() => {
  guest = mkdtempSync(path.join(os.tmpdir(), 'tcolima-recipe-'))
  mkdirSync(path.join(guest, 'rootfs/etc'), { recursive: true })
  writeFileSync(path.join(guest, 'customize.sh'), 'true\n')
  writeFileSync(path.join(guest, 'rootfs/etc/conf'), 'a=1\n')
  for (const engine of ['docker', 'podman'])
    mkdirSync(path.join(guest, 'engines', engine, 'rootfs'), { recursive: true })
  writeFileSync(path.join(guest, 'engines/docker/rootfs/unit'), '')
})
afterEach(() => {
  rmSync(guest, { recursive: true, force: true })
})

/** A recipe for an ordinary machine, but for what is given. */
const recipe = (more: Partial<RecipeInput> = {}) =>
  recipeFor({
    distro: 'debian-13',
    arch: 'x86_64',
    engine: docker,
    guestFolder: guest,
    kernel: 'cloud',
    ...more,
  })
const withPackages = (...packages: string[]) => ({ name: 'docker', packages })
const digest = (more: Partial<RecipeInput> = {}) => recipeDigest(recipe(more))

describe('the digest stays', () => {
  test.each<[string, () => string]>([
    ['when nothing changes', () => digest()],
    ['with another mirror', () => digest({ mirror: 'http://mirror.example/debian' })],
    [
      'when a file is only touched',
      () => {
        utimesSync(path.join(guest, 'customize.sh'), 1, 1)
        return digest()
      },
    ],
    [
      'with an empty folder more',
      () => {
        mkdirSync(path.join(guest, 'rootfs/opt'))
        return digest()
      },
    ],
  ])('%s', (_, again) => {
    const before = digest()
    expect(before).toMatch(/^[0-9a-f]{16}$/)
    expect(again()).toBe(before)
  })

  test('with a file more of another engine', () => {
    const before = digest()
    writeFileSync(path.join(guest, 'engines/podman/rootfs/unit'), '')
    expect(digest()).toBe(before)
    expect(overlays(guest, 'docker')).toEqual([
      path.join(guest, 'rootfs'),
      path.join(guest, 'engines/docker/rootfs'),
    ])
  })

  test('whatever the order of packages', () => {
    expect(digest({ engine: withPackages('a', 'b') })).toBe(digest({ engine: withPackages('b', 'a') }))
  })
})

describe('the digest changes', () => {
  test.each<[string, () => string]>([
    ['with the architecture', () => digest({ arch: 'aarch64' })],
    ['with the distribution', () => digest({ distro: 'debian-12' })],
    ['with a package more', () => digest({ engine: withPackages('docker.io', 'podman') })],
    ['without a package', () => digest({ engine: withPackages() })],
    ['with another engine, whatever its packages', () => digest({ engine: { ...docker, name: 'none' } })],
    [
      "with a file more of the engine's",
      () => {
        writeFileSync(path.join(guest, 'engines/docker/rootfs/other'), '')
        return digest()
      },
    ],
    [
      'with a byte of a file',
      () => {
        writeFileSync(path.join(guest, 'rootfs/etc/conf'), 'a=2\n')
        return digest()
      },
    ],
    [
      'with a new file',
      () => {
        writeFileSync(path.join(guest, 'rootfs/new'), '')
        return digest()
      },
    ],
    [
      'with the name of a file',
      () => {
        renameSync(path.join(guest, 'rootfs/etc/conf'), path.join(guest, 'rootfs/etc/conf2'))
        return digest()
      },
    ],
  ])('%s', (_, changed) => {
    const before = digest()
    expect(changed()).not.toBe(before)
  })
})

describe('recipeFor', () => {
  test.each([
    ['x86_64', 'linux-image-cloud-amd64'],
    ['aarch64', 'linux-image-cloud-arm64'],
  ] as const)('%s has its kernel and what every machine needs', (arch, kernel) => {
    const { packages, files } = recipe({ arch })
    expect(packages).toEqual(expect.arrayContaining([kernel, 'openssh-server', 'sshfs', 'docker.io']))
    expect(packages.filter((name) => name.startsWith('linux-image'))).toEqual([kernel])
    expect(packages).toEqual([...packages].sort())
    expect(Object.keys(files)).toEqual(['customize.sh', 'rootfs/etc/conf', 'engines/docker/rootfs/unit'])
  })
  test.each([
    ['x86_64', 'linux-image-amd64'],
    ['aarch64', 'linux-image-arm64'],
  ] as const)('%s has another kernel where 9p is wanted, and only that', (arch, kernel) => {
    const { packages } = recipe({ arch, kernel: 'general' })
    expect(packages.filter((name) => name.startsWith('linux-image'))).toEqual([kernel])
  })
  test.each([
    ['debian-13', 'trixie', 'qemu-user-binfmt'],
    ['debian-12', 'bookworm', 'qemu-user-static'],
  ] as const)('%s is the suite %s, where other processors come from %s', (distro, suite, emulators) => {
    const made = recipe({ distro })
    expect(made.suite).toBe(suite)
    expect(made.packages.filter((name) => name.startsWith('qemu-'))).toEqual([emulators])
  })
  test('what an engine needs more of a distribution comes only with it', () => {
    const needs = (name: string) => recipe({ distro: 'debian-12', engine: { name, packages: [] } }).packages
    expect([needs('docker').includes('apparmor'), needs('none').includes('apparmor')]).toEqual([true, false])
    expect(recipe().packages).not.toContain('apparmor')
  })
  test('a file that cannot be read is an error, not another recipe', () => {
    rmSync(guest, { recursive: true })
    expect(() => recipe()).toThrow(/ENOENT/)
  })
})

describe('mmdebstrapArguments', () => {
  const files = { overlay: "/w/o'v er.tar", customize: '/g/customize.sh', target: '/w/root.tar', root: false }
  const trixie: Recipe = {
    suite: 'trixie',
    arch: 'aarch64',
    packages: ['a', 'b'],
    engine: 'docker',
    files: {},
  }

  test('without root, for an architecture, with the packages', () => {
    const args = mmdebstrapArguments(trixie, files)
    expect(args).toEqual(
      expect.arrayContaining([
        '--mode=unshare',
        '--architectures=arm64',
        '--include=a,b',
        '--variant=minbase',
      ]),
    )
    expect(args.slice(-2)).toEqual(['trixie', '/w/root.tar'])
    expect(args).toContain(String.raw`--customize-hook=tar-in '/w/o'\''v er.tar' /`)
  })
  test('as root, with a mirror', () => {
    const args = mmdebstrapArguments(
      { ...trixie, arch: 'x86_64', mirror: 'http://m' },
      { ...files, root: true },
    )
    expect(args).toEqual(expect.arrayContaining(['--mode=root', '--architectures=amd64']))
    expect(args.slice(-3)).toEqual(['trixie', '/w/root.tar', 'http://m'])
  })
  test('our files go in before the script runs', () => {
    const hooks = mmdebstrapArguments(trixie, files).filter((arg) => arg.startsWith('--customize-hook='))
    expect(hooks.map((hook) => hook.split(/[= ]/)[1])).toEqual(['tar-in', 'upload', 'chroot'])
  })
})

test.each([
  [true, ['sh', '-c']],
  [false, ['unshare', '--map-auto', '--map-root-user', 'sh', '-c']],
])('ext4Script, root %s', (root, start) => {
  const words = ext4Script('/w x', root)
  expect(words.slice(0, start.length)).toEqual(start)
  expect(words.slice(-2)).toEqual(['ext4', '/w x'])
})
