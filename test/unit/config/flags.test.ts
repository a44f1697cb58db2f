import { describe, expect, test } from 'vitest'
import { type ConfigChanges, type FlagValues, flagChanges } from '../../../src/config/flags.ts'
import { errorOf, facts } from './facts.ts'

describe('wrong flags are refused, naming the flag and what it takes', () => {
  test.each<[Partial<FlagValues>, string]>([
    // B35
    ...['0', '-1', 'abc', '1.5GiB', '', '1e3', '999999', '0.4', '8.01', '512MiB'].map(
      (memory): [Partial<FlagValues>, string] => [
        { memory },
        `--memory must be a number of GiB from 0.5 to 8, not "${memory}"`,
      ],
    ),
    ...['0', '-2', '1.5', 'x', '', '65'].map((cpus): [Partial<FlagValues>, string] => [
      { cpus },
      `--cpus must be a whole number from 1 to 64, not "${cpus}"`,
    ]),
    ...['0', '-5', '10.5', '10GiB', '', '16385'].map((disk): [Partial<FlagValues>, string] => [
      { disk },
      `--disk must be a whole number of GiB from 1 to 16384, not "${disk}"`,
    ]),
    [{ arch: 'riscv64' }, '--arch must be host, x86_64 (amd64) or aarch64 (arm64), not "riscv64"'],
    [
      { runtime: 'incus' },
      '--runtime must be docker, containerd, podman or none: this version does not offer Incus, not "incus"',
    ],
    [{ runtime: 'bogus' }, '--runtime must be docker, containerd, podman or none, not "bogus"'],
    [{ mountType: 'nfs' }, '--mount-type must be sshfs, 9p or virtiofs, not "nfs"'],
    [{ accel: 'vz' }, '--accel must be auto, kvm, hvf or tcg, not "vz"'],
    [
      { cpuType: 'max -drive x' },
      '--cpu-type must be a processor name of QEMU, such as max or qemu64,+ssse3, not "max -drive x"',
    ],
    [
      { hostname: 'a_b' },
      '--hostname must be a host name: letters, digits, "-" and ".", at most 63 characters, not "a_b"',
    ],
    [{ distro: 'debian-11' }, '--distro must be debian-13 or debian-12, not "debian-11"'],
    [{ ociRuntime: 'kata' }, '--oci-runtime must be runc or crun, not "kata"'],
    [
      { mirror: 'ftp://x' },
      '--mirror must be an http, https or file URL, an absolute path, or one that begins with ~/, not "ftp://x"',
    ],
    [{ mount: ['none', '/a'] }, '--mount none must stand alone: it turns all mounts off'],
    [{ mount: ['/a:/x', '/b:/x/'] }, '--mount: /x is the target of two mounts'],
  ])('%j', (flags, message) => {
    expect(errorOf(() => flagChanges(flags, facts))).toMatchObject({ code: 'usage', message })
  })
})

test.each<[Partial<FlagValues>, ConfigChanges]>([
  [{}, {}],
  [
    { memory: '1.5', cpus: '6', disk: '10' },
    { memory: 1.5, cpu: 6, disk: 10 },
  ],
  [{ arch: 'arm64' }, { arch: 'aarch64' }],
  [{ cpuType: 'host' }, { cpuType: '' }],
  [{ mountType: '9p' }, { mountType: '9p' }],
  [{ activate: false }, { autoActivate: false }],
  [{ distro: 'debian-12' }, { distro: 'debian-12' }],
  [{ ociRuntime: 'crun' }, { ociRuntime: 'crun' }],
  [
    { caCertificate: ['ca.pem', '/b.pem', '~/c.pem'] },
    { caCertificates: ['/work/ca.pem', '/b.pem', '/home/ann/c.pem'] },
  ],
  [{ mirror: 'k3s' }, { mirror: '/work/k3s' }],
  [{ mirror: 'file:///k3s' }, { mirror: 'file:///k3s' }],
  [{ mirror: '' }, { mirror: '' }],
  [{ mount: [] }, {}],
  [{ mount: ['none'] }, { mounts: null }],
  [
    { mount: ['src:w', '/d:/data'] },
    {
      mounts: [
        { location: '/work/src', writable: true },
        { location: '/d', mountPoint: '/data', writable: false },
      ],
    },
  ],
])('%j becomes %j', (flags, changes) => expect(flagChanges(flags, facts)).toEqual(changes))

test('a large host may be given eight times its processors', () => {
  const big = { ...facts, cpus: 32 }
  expect(flagChanges({ cpus: '256' }, big)).toEqual({ cpu: 256 })
  expect(errorOf(() => flagChanges({ cpus: '257' }, big)).message).toContain('from 1 to 256')
})
