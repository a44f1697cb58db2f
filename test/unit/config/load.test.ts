import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ConfigChanges } from '../../../src/config/flags.ts'
import { loadConfig, parseConfig } from '../../../src/config/load.ts'
import type { Config } from '../../../src/config/schema.ts'
import { configTemplate } from '../../../src/config/template.ts'
import { GIB, MIB } from '../../../src/config/units.ts'
import { errorOf, facts } from './facts.ts'

const parse = (text: string, changes: ConfigChanges = {}) => {
  const { config, warnings } = parseConfig(text, 'f.yaml', changes, facts)
  return { config, warnings }
}
const home = { location: '/home/ann', mountPoint: '/home/ann', writable: true }
const fallback: Config = {
  cpus: 2,
  memory: 2 * GIB,
  disk: 100 * GIB,
  arch: 'x86_64',
  distro: 'debian-13',
  runtime: 'docker',
  mounts: [home],
  mountType: 'sshfs',
  mountInotify: true,
  mountInotifyIgnore: ['.git', 'node_modules'],
  accel: 'auto',
  cpuType: '',
  activate: true,
  docker: {},
  hostname: '',
  network: { dns: [], dnsHosts: {} },
  portForwards: [],
  forwardAgent: false,
  sshPort: 0,
  sshConfig: true,
  rootDisk: 20 * GIB,
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

describe('what a file may say', () => {
  test.each<[string, Partial<Config>]>([
    ['', {}],
    ['\n\n', {}],
    ['# only a comment\n', {}],
    ['---\n', {}],
    ['\uFEFFcpu: 3', { cpus: 3 }],
    ['cpu:\nmemory: null', {}],
    [configTemplate(), {}],
    ['cpu: 6', { cpus: 6 }],
    ['rootDisk: 0', {}],
    ['runtime: podman\nrootless: true', { runtime: 'podman', rootless: true }],
    ['mirror: ~/k3s/', { mirror: '/home/ann/k3s' }],
    ['mirror: https://mirror.test/base', { mirror: 'https://mirror.test/base' }],
    [
      'sshPort: 2222\nsshConfig: false\nrootDisk: 30',
      { sshPort: 2222, sshConfig: false, rootDisk: 30 * GIB },
    ],
    ['env: {A: b, N: 1, T: true, E: null}', { env: { A: 'b', N: '1', T: 'true', E: '' } }],
    [
      'provision:\n  - mode: system\n    script: |\n      echo hi\n',
      { provision: [{ mode: 'system', script: 'echo hi\n' }] },
    ],
    [
      'probes: [{script: "true"}, {mode: readiness, script: x, description: d, hint: h}]',
      {
        probes: [
          { script: 'true', description: '', hint: '' },
          { script: 'x', description: 'd', hint: 'h' },
        ],
      },
    ],
    ['mountInotify: false', { mountInotify: false }],
    ['mountInotifyIgnore: [dist, "*.tmp"]', { mountInotifyIgnore: ['dist', '*.tmp'] }],
    ['memory: 1.25', { memory: 1.25 * GIB }],
    ['memory: 512MiB', { memory: 512 * MIB }],
    ['memory: "1.5"', { memory: 1.5 * GIB }],
    ['disk: 10', { disk: 10 * GIB }],
    ['disk: 10.5GiB', { disk: 10.5 * GIB }],
    ['arch: arm64', { arch: 'aarch64' }],
    ['cpuType: host', {}],
    ['cpuType: qemu64,+ssse3', { cpuType: 'qemu64,+ssse3' }],
    [
      'accel: tcg\nautoActivate: false\nhostname: box.local',
      { accel: 'tcg', activate: false, hostname: 'box.local' },
    ],
    ['docker: {insecure-registries: ["a:5000"]}', { docker: { 'insecure-registries': ['a:5000'] } }],
    ['docker: &x {cpu: 3}\n<<: *x', { cpus: 3, docker: { cpu: 3 } }],
    ['mounts: []', {}],
    ['mounts: null', { mounts: [] }],
    ['mounts: ~', { mounts: [] }],
    [
      'mounts:\n- location: ~/a b/c\n  writable: true\n- location: /d/\n  mountPoint: /data\n',
      {
        mounts: [
          { location: '/d', mountPoint: '/data', writable: false },
          { location: '/home/ann/a b/c', mountPoint: '/home/ann/a b/c', writable: true },
        ],
      },
    ],
  ])('%j', (text, config) => {
    expect(parse(text)).toEqual({ config: { ...fallback, ...config }, warnings: [] })
  })
})

describe('what is wrong is told with file, line and column', () => {
  test.each<[string, string]>([
    // B36
    ['cpu: 2\n\tmemory: 4', '2:1: a tab cannot indent a line in YAML: use spaces'],
    ['cpu: "2', '1:8: Missing closing "quote'],
    ['memroy: 4', '1:1: unknown key "memroy"; did you mean "memory"?'],
    [
      'mounts: yes',
      '1:9: mounts must be a list of folders, [] for the home folder, or null for none, not "yes"',
    ],
    [
      'provision:\n- mode: system\n    echo hi',
      '2:3: provision[0].script is missing\nf.yaml:2:9: provision[0].mode must be system, user, after-boot or ready, not "system echo hi"',
    ],
    ['cpu: two', '1:6: cpu must be a whole number from 1 to 64, not "two"'],
    ['kubernetes: true', '1:13: kubernetes must be a map, not true'],
    // YAML
    ['- cpu', '1:1: the file must be a map of keys and values, such as "cpu: 2"'],
    ['cpu', '1:1: the file must be a map of keys and values, such as "cpu: 2"'],
    ['cpu: 1\ncpu: 2', '2:1: this key is there twice'],
    ['cpu: 1\n---\ncpu: 2', '2:1: the file must hold one YAML document only'],
    ['docker: *x', '1:9: no anchor &x comes before this'],
    ['docker: &x\n  a: *x', '2:6: *x stands for itself'],
    ['? [a]\n: 1', '1:3: a key must be text'],
    ['cpu: !int 2', '1:6: Unresolved tag: !int'],
    // Keys
    ['\n\nwhatever: 1', '3:1: unknown key "whatever"'],
    ['cpus: 2', '1:1: unknown key "cpus"; did you mean "cpu"?'],
    ['Memory: 2', '1:1: unknown key "Memory"; did you mean "memory"?'],
    [
      'mounts:\n  - location: /a\n    writeable: true',
      '3:5: unknown key "mounts[0].writeable"; did you mean "writable"?',
    ],
    // Values
    ['cpu: "2"', '1:6: cpu must be a whole number from 1 to 64, not "2"'],
    ['cpu: 0', '1:6: cpu must be a whole number from 1 to 64, not 0'],
    ['memory: 0', '1:9: memory must be a number of GiB from 0.5 to 8 (or a size such as "512MiB"), not 0'],
    [
      'memory: [1]',
      '1:9: memory must be a number of GiB from 0.5 to 8 (or a size such as "512MiB"), not [1]',
    ],
    [
      'disk: 10.5',
      '1:7: disk must be a whole number of GiB from 1 to 16384 (or a size such as "512MiB"), not 10.5',
    ],
    ['mountInotifyIgnore: dist', '1:21: mountInotifyIgnore must be a list of names, not "dist"'],
    ['autoActivate: yes', '1:15: autoActivate must be true or false, not "yes"'],
    ['docker: [a]', '1:9: docker must be a map: the keys of daemon.json, not ["a"]'],
    ['mountType: nfs', '1:12: mountType must be sshfs, 9p or virtiofs, not "nfs"'],
    [
      'kubernetes: {versoin: v1.33.3+k3s1}',
      '1:14: unknown key "kubernetes.versoin"; did you mean "version"?',
    ],
    ['physicalDisks: 1', '1:16: physicalDisks must be a list, not 1'],
    ['distro: ubuntu', '1:9: distro must be debian-13 or debian-12, not "ubuntu"'],
    ['ociRuntime: kata', '1:13: ociRuntime must be runc or crun, not "kata"'],
    ['rootless: 1', '1:11: rootless must be true or false, not 1'],
    ['rootless: true', '1:11: rootless is for podman; docker takes none'],
    [
      'runtime: podman\ndistro: debian-12\nrootless: true',
      "3:11: rootless takes debian-13: the Podman of debian-12 cannot use pasta, a user's networks",
    ],
    ['runtime: none\nociRuntime: crun', '2:13: ociRuntime is for docker and podman; none takes none'],
    [
      'mirror: k3s',
      '1:9: mirror must be an http, https or file URL, an absolute path, or one that begins with ~/, not "k3s"',
    ],
    [
      'caCertificates: [a.pem]',
      '1:18: caCertificates[0] must be an absolute path, or one that begins with ~/, not "a.pem"',
    ],
    ['runtime: Podman', '1:10: runtime must be docker, containerd, podman or none, not "Podman"'],
    ['mounts:\n  - /a', '2:5: mounts[0] must be a map with the key location, not "/a"'],
    ['mounts:\n  - writable: true', '2:5: mounts[0].location is missing'],
    [
      'mounts:\n  - location: a/b',
      '2:5: mounts[0] is wrong: the folder must be an absolute path or begin with ~/, not "a/b"',
    ],
    [
      'mounts:\n  - location: /a\n    mountPoint: ~/b',
      '2:5: mounts[0] is wrong: the place in the guest must be an absolute path, not "~/b"',
    ],
    [
      'mounts:\n  - location: /a\n  - {location: /b, mountPoint: /a}',
      '3:5: mounts[1] is wrong: /a is the place of an earlier mount',
    ],
    ['sshPort: 22', '1:10: sshPort must be a port from 1024 to 65535, or 0 for any, not 22'],
    [
      'rootDisk: 4',
      '1:11: rootDisk must be a whole number of GiB from 5 to 16384 (or a size such as "512MiB"), not 4',
    ],
    [
      'env: {1A: x}',
      '1:11: env.1A is wrong: "1A" is no name of a variable: letters, digits and "_", not beginning with a digit',
    ],
    ['env:\n  A: [1]', '2:6: env.A must be text, not [1]'],
    ['env:\n  A: "a\\nb"', '2:6: env.A must be text of one line, not "a\\nb"'],
    [
      'provision: [{mode: boot, script: x}]',
      '1:20: provision[0].mode must be system, user, after-boot or ready, not "boot"',
    ],
    ['provision: [{mode: user, script: " "}]', '1:34: provision[0].script must not be empty, not " "'],
    [
      'probes: [{scrpt: x}]',
      '1:10: probes[0].script is missing\nf.yaml:1:11: unknown key "probes[0].scrpt"; did you mean "script"?',
    ],
    ['network: {dnsHost: {}}', '1:11: unknown key "network.dnsHost"; did you mean "dnsHosts"?'],
    [
      'portForwards: [{guestPort: 80, hostprt: 8080}]',
      '1:32: unknown key "portForwards[0].hostprt"; did you mean "hostPort"?',
    ],
    [
      'portForwards: [{guestPort: 80, hostPort: 8080}, {guestPort: 81, hostPort: 8080}]',
      '1:49: portForwards[1] is wrong: portForwards[0] brings something else to port 8080 of this computer',
    ],
    ['sshPort: x', '1:10: sshPort must be a port from 1024 to 65535, or 0 for any, not "x"'],
    // All of them, in the order of the file
    [
      'cpu: 0\nfoo: 1\naccel: vz',
      '1:6: cpu must be a whole number from 1 to 64, not 0\nf.yaml:2:1: unknown key "foo"\nf.yaml:3:8: accel must be auto, kvm, hvf or tcg, not "vz"',
    ],
  ])('%j', (text, message) => {
    const error = errorOf(() => parse(text))
    expect(error.message).toBe(`f.yaml:${message}`)
    expect(error.code).toBe('config')
    expect(error.hint).toContain('The file was left as it is')
  })

  test('a mount that hides the guest', () => {
    const { message } = errorOf(() => parse('mounts:\n  - location: /etc'))
    expect(message).toMatch(/^f\.yaml:2:5: mounts\[0] is wrong: nothing can be mounted at \/etc: /)
  })
})

test('the lines that name mounts, unless flags do', () => {
  const text = 'cpu: 2\nmounts:\n  - location: ~/a\n  - location: /d\n    mountPoint: /data\n'
  const lines = (changes: ConfigChanges) => [...parseConfig(text, 'f.yaml', changes, facts).mountLines]
  expect(lines({})).toEqual([
    ['/home/ann/a', 'f.yaml:3:5'],
    ['/data', 'f.yaml:4:5'],
  ])
  expect(lines({ mounts: [{ location: '/d' }] })).toEqual([])
})

describe('settings of Colima without effect here', () => {
  test('those at their defaults pass without a word', () => {
    const text = `vmType: qemu
mountType: sshfs
rosetta: false
binfmt: true
nestedVirtualization: false
network: {address: false, mode: shared, interface: en0, preferredRoute: false, dns: [], hostAddresses: false,
  dnsHosts: {host.docker.internal: host.lima.internal}, gatewayAddress: 192.168.5.2}
kubernetes: {enabled: false, version: v1.33.3+k3s1, k3sArgs: [--disable=traefik], port: 0}
provision: []
sshConfig: true
sshPort: 0
forwardAgent: false
env: {}
rootDisk: 20
diskImage: ""
modelRunner: docker
portForwarder: ssh
hostname: ""
`
    const network = { dns: [], dnsHosts: { 'host.docker.internal': 'host.lima.internal' } }
    const kubernetes = { ...fallback.kubernetes, version: 'v1.33.3+k3s1' }
    expect(parse(text)).toEqual({ config: { ...fallback, network, kubernetes }, warnings: [] })
  })

  test.each([
    ['{ingress: true}', []],
    ['{ingress: false}', ['--disable=traefik']],
    ['{ingress: true, disable: [servicelb]}', ['--disable=servicelb']],
    ['{ingress: true, k3sArgs: [--disable=traefik]}', ['--disable=traefik']],
  ])('the former key of the ingress counts where k3sArgs does not: %s', (text, k3sArgs) => {
    expect(parse(`kubernetes: ${text}`).config.kubernetes.k3sArgs).toEqual(k3sArgs)
  })

  test('the port of Kubernetes has a former name', () => {
    expect(parse('kubernetes: {listenPort: 6444}').config.kubernetes.port).toBe(6444)
    expect(parse('kubernetes: {listenPort: 6444, port: 6445}').config.kubernetes.port).toBe(6445)
  })

  test('the others are listed in one warning', () => {
    const text = `vmType: vz
rosetta: true
network: {address: true, dns: [1.1.1.1], mode: null}
physicalDisks: [{name: src, device: /dev/disk0s6}]
`
    expect(parse(text).warnings).toEqual([
      'f.yaml: these settings of Colima have no effect in this version: vmType, rosetta, network.address, physicalDisks',
    ])
  })

  test('a mount type that was chosen for another hypervisor is among them; a flag still counts', () => {
    const text = 'vmType: vz\nmountType: virtiofs\n'
    const { config, warnings } = parse(text)
    expect([config.mountType, warnings[0]]).toEqual(['sshfs', expect.stringContaining('vmType, mountType')])
    expect(parse(text, { mountType: '9p' }).config.mountType).toBe('9p')
    for (const own of [
      'mountType: virtiofs',
      'vmType: qemu\nmountType: virtiofs',
      'vmType: ""\nmountType: virtiofs',
    ]) {
      expect(parse(own)).toEqual({ config: { ...fallback, mountType: 'virtiofs' }, warnings: [] })
    }
    expect(parse('mountType: ""').config.mountType).toBe('sshfs')
  })

  test('mounts without a value means none, with a warning', () => {
    const text = 'mounts:\n# - location: /a\n'
    expect(parse(text)).toEqual({
      config: { ...fallback, mounts: [] },
      warnings: [
        'f.yaml: nothing is mounted, as "mounts:" has no value; write [] for the home folder, null for none',
      ],
    })
    expect(parse(text, { mounts: null }).warnings).toEqual([])
  })
})

test('a home folder that cannot be mounted asks for another choice', () => {
  const error = errorOf(() => parseConfig('', 'f', {}, { ...facts, home: '/' }))
  expect(error).toMatchObject({ code: 'config', hint: expect.stringContaining('--mount none') })
})

test('the default memory holds on a host that has less', () => {
  const small = { ...facts, totalMemory: GIB }
  expect(parseConfig(configTemplate(), 'f', {}, small).config.memory).toBe(2 * GIB)
})

describe('loadConfig', () => {
  let folder: string
  let file: string
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tcolima-load-'))
    file = path.join(folder, 'tcolima.yaml')
  })
  afterEach(() => rm(folder, { recursive: true }))

  test('no file means defaults', () => {
    expect(loadConfig(file, {}, facts)).toMatchObject({ config: fallback, warnings: [], changes: {} })
  })

  test('a flag goes before the file, the file before the default', async () => {
    await writeFile(file, 'cpu: 3\nmemory: 1\nmounts:\n  - location: /a\n')
    const loaded = loadConfig(file, { cpus: '4', mount: ['src:w'] }, facts)
    const mounts = [{ location: '/work/src', mountPoint: '/work/src', writable: true }]
    expect(loaded.config).toEqual({ ...fallback, cpus: 4, memory: GIB, mounts })
    expect(loaded.changes).toEqual({ cpu: 4, mounts: [{ location: '/work/src', writable: true }] })
    expect(loadConfig(file, { mount: ['none'] }, facts).config.mounts).toEqual([])
  })

  test('a flag does not cover a mistake in the file, and the file stays', async () => {
    await writeFile(file, 'cpu: two\n')
    const error = errorOf(() => loadConfig(file, { cpus: '4' }, facts))
    expect(error.message).toContain(`${file}:1:6: cpu`)
    expect(await readFile(file, 'utf8')).toBe('cpu: two\n')
  })

  test('what cannot be read is an error, not defaults', async () => {
    await symlink(path.join(folder, 'gone'), file)
    expect(errorOf(() => loadConfig(file, {}, facts)).message).toContain(
      'a link to a file that does not exist',
    )
    await rm(file)
    await mkdir(file)
    expect(errorOf(() => loadConfig(file, {}, facts))).toMatchObject({ code: 'config' })
  })
})
