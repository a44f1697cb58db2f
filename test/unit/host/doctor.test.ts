import { describe, expect, test } from 'vitest'
import { checkHost, type Check, type DoctorInput } from '../../../src/host/doctor.ts'
import { currentHost, type Host } from '../../../src/host/platform.ts'
import type { HostSystem } from '../../../src/host/system.ts'
import { type Behaviour, machine } from './machine.ts'

const base: Partial<Host> = {
  home: '/home/ann',
  platform: 'linux',
  arch: 'x86_64',
  uid: 1000,
  user: 'ann',
  env: {},
}
const tools = [
  'qemu-system-x86_64',
  'qemu-system-aarch64',
  'qemu-img',
  'tar',
  'ssh',
  'mmdebstrap',
  'mke2fs',
  'newuidmap',
  'docker',
  'apt-get',
]
const files = {
  '/dev/kvm': '',
  '/etc/os-release': 'ID=debian\nVERSION_ID="13"\n',
  '/etc/subuid': 'bob:1:5\nann:100000:65536\n',
  '/etc/subgid': '1000:100000:65536\n',
  '/usr/share/keyrings/debian-archive-keyring.gpg': '',
  '/usr/lib/docker/cli-plugins/docker-compose': '',
  '/home/ann/.docker/cli-plugins/docker-buildx': '',
}
const qemu: Behaviour = (command) =>
  command.endsWith('--version') ? 'QEMU emulator version 7.2.22 (Debian 1:7.2)\n' : ''

interface Setup {
  host?: Partial<Host>
  without?: string[]
  files?: Record<string, string>
  behave?: Behaviour
  system?: Partial<HostSystem>
  input?: Partial<DoctorInput>
}

async function check(setup: Setup = {}): Promise<Map<string, Check>> {
  const programs = tools.filter((each) => !setup.without?.includes(each))
  const { system } = machine(programs, { ...files, ...setup.files }, setup.behave ?? qemu, setup.system)
  const host = currentHost({ ...base, ...setup.host })
  const checks = await checkHost({
    host,
    home: '/home/ann/.tcolima',
    nodeVersion: '20.19.0',
    system,
    ...setup.input,
  })
  for (const each of checks) expect(each.status === 'ok' || each.fix, each.name).toBeTruthy()
  return new Map(checks.map((each) => [each.name, each]))
}

const statuses = (checks: Map<string, Check>) =>
  [...checks.values()].filter((each) => each.status !== 'ok').map((each) => `${each.name}: ${each.status}`)

test('a good machine: all ok', async () => {
  const checks = await check()
  expect(statuses(checks)).toEqual([])
  expect([...checks.keys()]).toEqual([
    'platform',
    'Node.js',
    'virtualisation',
    'qemu-system-x86_64',
    'qemu-img',
    'tar',
    'ssh',
    'mmdebstrap',
    'mke2fs',
    'newuidmap',
    'subordinate ids',
    'user namespaces',
    'docker',
    'docker buildx',
    'docker compose',
    'disk space',
  ])
})

describe.each<[string, Setup, string, string, string]>([
  ['Node.js too old', { input: { nodeVersion: '20.18.3' } }, 'Node.js: error', 'too old', '20.19'],
  [
    'no permission for KVM',
    { system: { accessError: () => 'EACCES' } },
    'virtualisation: warning',
    'no permission',
    'usermod -aG kvm ann',
  ],
  [
    'no KVM',
    { system: { exists: (file) => file !== '/dev/kvm' } },
    'virtualisation: warning',
    'no /dev/kvm',
    'VT-x',
  ],
  [
    'no QEMU',
    { without: ['qemu-system-x86_64'] },
    'qemu-system-x86_64: error',
    'not installed',
    'qemu-system-x86',
  ],
  [
    'old QEMU',
    { behave: () => 'QEMU emulator version 6.2.0' },
    'qemu-system-x86_64: error',
    '6.2.0 is too old',
    '7.2',
  ],
  ['odd QEMU', { behave: () => 'hello' }, 'qemu-system-x86_64: warning', 'hello', '7.2'],
  [
    'QEMU that does not run',
    { behave: (command) => (command.endsWith('--version') ? new Error('no libfoo') : '') },
    'qemu-system-x86_64: error',
    'no libfoo',
    'again',
  ],
  [
    'no buildx where docker looks for it',
    { host: { env: { DOCKER_CONFIG: '/elsewhere' } } },
    'docker buildx: warning',
    'not found',
    'docker-buildx-plugin',
  ],
  ['no docker program', { without: ['docker'] }, 'docker: warning', 'DOCKER_HOST', 'docker-cli'],
  [
    'DOCKER_HOST',
    { host: { env: { DOCKER_HOST: 'unix:///x' } } },
    'DOCKER_HOST: warning',
    'unix:///x',
    'unset DOCKER_HOST',
  ],
  [
    'no subordinate ids',
    { files: { '/etc/subuid': 'ann:1:1000\n' } },
    'subordinate ids: error',
    '/etc/subuid has no range',
    '--add-subuids',
  ],
  [
    'Debian without user namespaces',
    {
      files: { '/proc/sys/kernel/unprivileged_userns_clone': '0\n' },
      behave: (command) => (command.startsWith('unshare') ? new Error('EPERM') : qemu(command, {})),
    },
    'user namespaces: error',
    'unprivileged_userns_clone is 0',
    'sysctl -w kernel.unprivileged_userns_clone=1',
  ],
  [
    'AppArmor',
    {
      files: { '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n' },
      behave: (command) => (command.startsWith('unshare') ? new Error('EPERM') : qemu(command, {})),
    },
    'user namespaces: error',
    'AppArmor',
    'apparmor_restrict_unprivileged_userns=0',
  ],
  [
    'user namespaces fail for another reason',
    { behave: (command) => (command.startsWith('unshare') ? new Error('EPERM\nno') : qemu(command, {})) },
    'user namespaces: error',
    'EPERM no',
    'util-linux 2.38',
  ],
  [
    'little space',
    { system: { freeSpace: async () => 5 * 1024 ** 3 } },
    'disk space: warning',
    '5.0 GiB',
    'free',
  ],
  [
    'no space',
    { system: { freeSpace: async () => 2 * 1024 ** 3 } },
    'disk space: error',
    '2.0 GiB',
    'TCOLIMA_HOME',
  ],
])('%s', (_, setup, status, detail, fix) => {
  test(status, async () => {
    const checks = await check(setup)
    expect(statuses(checks)).toContain(status)
    const found = checks.get(status.split(':')[0]!)
    expect(found?.detail).toContain(detail)
    expect(found?.fix).toContain(fix)
  })
})

test('root needs no user namespaces; another architecture needs no KVM', async () => {
  const checks = await check({
    host: { uid: 0 },
    without: ['newuidmap'],
    files: { '/etc/subuid': '' },
    input: { guestArch: 'aarch64' },
  })
  expect(statuses(checks)).toEqual([])
  expect(checks.get('virtualisation')?.detail).toContain('software emulation')
})

test.each([
  ['1\n', 'ok'],
  ['0\n', 'warning'],
])('macOS, kern.hv_support %j: %s', async (answer, status) => {
  const checks = await check({
    host: { platform: 'darwin', arch: 'aarch64', uid: 501 },
    without: ['mmdebstrap', 'mke2fs', 'newuidmap'],
    behave: (command) => (command.startsWith('sysctl') ? answer : qemu(command, {})),
  })
  expect(checks.get('virtualisation')?.status).toBe(status)
  expect(checks.has('mmdebstrap')).toBe(false)
})

test('sockets that move are ok with a note; leftovers of the caller come last', async () => {
  const leftover: Check = { name: 'leftover', status: 'warning', detail: 'x', fix: 'y' }
  const dir = `/home/${'d'.repeat(100)}`
  const checks = await check({ input: { sockets: [{ dir, name: 'agent.sock' }], leftovers: [leftover] } })
  expect(checks.get('socket agent.sock')).toMatchObject({
    status: 'ok',
    detail: expect.stringContaining('/tmp/tcolima-1000/'),
  })
  expect([...checks.values()].at(-1)).toEqual(leftover)
})
