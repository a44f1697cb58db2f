import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ext4Script } from '../../../src/image/ext4.ts'
import { mmdebstrapArguments } from '../../../src/image/mmdebstrap.ts'
import { overlays, type Recipe, recipeDigest, recipeFor } from '../../../src/image/recipe.ts'

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

function digest(
  arch: Recipe['arch'] = 'x86_64',
  packages = ['docker.io'],
  mirror?: string,
  engine = 'docker',
): string {
  return recipeDigest(recipeFor(arch, { name: engine, packages }, guest, mirror))
}

describe('the digest stays', () => {
  test.each<[string, () => string]>([
    ['when nothing changes', () => digest()],
    ['with another mirror', () => digest('x86_64', ['docker.io'], 'http://mirror.example/debian')],
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
    expect(digest('x86_64', ['a', 'b'])).toBe(digest('x86_64', ['b', 'a']))
  })
})

describe('the digest changes', () => {
  test.each<[string, () => string]>([
    ['with the architecture', () => digest('aarch64')],
    ['with a package more', () => digest('x86_64', ['docker.io', 'podman'])],
    ['without a package', () => digest('x86_64', [])],
    ['with another engine, whatever its packages', () => digest('x86_64', ['docker.io'], undefined, 'none')],
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
    const { packages, files } = recipeFor(arch, docker, guest)
    expect(packages).toEqual(expect.arrayContaining([kernel, 'openssh-server', 'sshfs', 'docker.io']))
    expect(packages.filter((name) => name.startsWith('linux-image'))).toEqual([kernel])
    expect(packages).toEqual([...packages].sort())
    expect(Object.keys(files)).toEqual(['customize.sh', 'rootfs/etc/conf', 'engines/docker/rootfs/unit'])
  })
  test.each([
    ['x86_64', 'linux-image-amd64'],
    ['aarch64', 'linux-image-arm64'],
  ] as const)('%s has another kernel where 9p is wanted, and only that', (arch, kernel) => {
    const { packages } = recipeFor(arch, docker, guest, undefined, 'general')
    expect(packages.filter((name) => name.startsWith('linux-image'))).toEqual([kernel])
  })
  test('a file that cannot be read is an error, not another recipe', () => {
    rmSync(guest, { recursive: true })
    expect(() => recipeFor('x86_64', docker, guest)).toThrow(/ENOENT/)
  })
})

describe('mmdebstrapArguments', () => {
  const files = { overlay: "/w/o'v er.tar", customize: '/g/customize.sh', target: '/w/root.tar', root: false }
  const recipe: Recipe = {
    suite: 'trixie',
    arch: 'aarch64',
    packages: ['a', 'b'],
    engine: 'docker',
    files: {},
  }

  test('without root, for an architecture, with the packages', () => {
    const args = mmdebstrapArguments(recipe, files)
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
      { ...recipe, arch: 'x86_64', mirror: 'http://m' },
      { ...files, root: true },
    )
    expect(args).toEqual(expect.arrayContaining(['--mode=root', '--architectures=amd64']))
    expect(args.slice(-3)).toEqual(['trixie', '/w/root.tar', 'http://m'])
  })
  test('our files go in before the script runs', () => {
    const hooks = mmdebstrapArguments(recipe, files).filter((arg) => arg.startsWith('--customize-hook='))
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
