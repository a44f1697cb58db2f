import { expect, test } from 'vitest'
import { liveChanges } from '../../../src/agent/settings.ts'
import type { PortForward } from '../../../src/config/port-forwards.ts'
import type { Config } from '../../../src/config/schema.ts'

const config: Config = {
  cpus: 2,
  memory: 2 ** 31,
  disk: 2 ** 36,
  arch: 'x86_64',
  distro: 'debian-13',
  runtime: 'docker',
  mounts: [{ location: '/home/ann', mountPoint: '/home/ann', writable: true }],
  mountType: 'sshfs',
  mountInotify: true,
  mountInotifyIgnore: ['.git', 'node_modules'],
  accel: 'auto',
  cpuType: '',
  activate: true,
  docker: { features: { buildkit: true }, 'log-opts': { 'max-size': '1m' } },
  hostname: '',
  network: { dns: [], dnsHosts: {} },
  portForwards: [],
  forwardAgent: false,
  sshPort: 0,
  sshConfig: true,
  rootDisk: 20 * 2 ** 30,
  env: {},
  provision: [],
  probes: [],
  binfmt: true,
  param: {},
  kubernetes: { enabled: false, version: '', k3sArgs: ['--disable=traefik'], port: 0, join: '' },
  ociRuntime: '',
  rootless: false,
  caCertificates: [],
  mirror: '',
}

const rule: PortForward = {
  proto: 'tcp',
  guestIP: '127.0.0.1',
  guestIPMustBeZero: false,
  guestPorts: [80, 80],
  hostIP: '127.0.0.1',
  hostPorts: [8080, 8080],
  ignore: false,
  reverse: false,
  static: false,
}

function viaJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T
}

test.each<[string, Partial<Config>]>([
  ['nothing', {}],
  ['whether the context is active', { activate: false }],
  ['the order of keys', { docker: { 'log-opts': { 'max-size': '1m' }, features: { buildkit: true } } }],
  ['what JSON cannot hold', { docker: { ...config.docker, none: undefined } }],
])('no difference: %s', (_, over) => {
  expect(liveChanges(viaJson(config), { ...config, ...over })).toEqual([])
})

const network = { dns: ['1.1.1.1'], dnsHosts: {} }

test('what a running machine can go by', () => {
  const wanted = { ...config, network, portForwards: [rule], mountInotifyIgnore: ['dist'] }
  expect(liveChanges(viaJson(config), wanted)).toEqual(['mountInotifyIgnore', 'network', 'portForwards'])
  expect(() => liveChanges(viaJson(config), { ...wanted, cpus: 1 })).toThrow(/at a start: cpus$/)
})

test('mounts, where the host serves them: those of other types are QEMU\u2019s', () => {
  const wanted = { ...config, mounts: [] }
  expect(liveChanges(viaJson(config), wanted)).toEqual(['mounts'])
  const mountType = 'virtiofs' as const
  expect(() => liveChanges({ ...config, mountType }, { ...wanted, mountType })).toThrow(/at a start: mounts$/)
})

test.each<[string, Partial<Config>]>([
  ['cpus', { cpus: 4 }],
  ['memory', { memory: 2 ** 32 }],
  ['disk', { disk: 2 ** 37 }],
  ['docker', { docker: {} }],
  ['hostname', { hostname: 'x' }],
  ['cpus, accel', { cpus: 1, accel: 'tcg' }],
])('a difference: %s', (names, over) => {
  expect(() => liveChanges(viaJson(config), { ...config, ...over })).toThrow(
    expect.objectContaining({
      code: 'failed',
      message: `it is running, and these settings change only at a start: ${names}`,
      hint: expect.stringContaining('tcolima restart'),
    }),
  )
})
