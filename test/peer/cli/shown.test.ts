import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AgentMethods, ClusterParams, MountStatus, PortStatus } from '../../../src/agent/api.ts'
import type { ClusterAccess } from '../../../src/runtime/kubernetes/kubeconfig-text.ts'
import { commands } from '../../../src/cli/commands.ts'
import { inProcess, runInProcess } from '../../unit/cli/in-process.ts'
import { fakeAgent, runningInstance, send } from './fake-agent.ts'

// What users see, word for word: a change of it is one of these files in the same commit (vitest -u writes them).
const shots = path.join(import.meta.dirname, '__snapshots__', 'shown')

let folder: string
let home: string
let agent: Server

const mounts: MountStatus[] = [
  {
    ...{ location: '/Users/ann', mountPoint: '/Users/ann', writable: true, watched: true },
    ...{ state: 'mounted', detail: '' },
  },
  {
    ...{ location: '/srv/data', mountPoint: '/mnt/data', writable: false, watched: false },
    ...{ state: 'failed', detail: 'there is no folder /srv/data' },
  },
]
const port = { guestAddress: '', hostAddress: '127.0.0.1', proto: 'tcp', via: 'hostfwd' } as const
const ports: PortStatus[] = [
  { ...port, guestPort: 80, hostPort: 8080, state: 'active', container: 'web' },
  { ...port, guestPort: 5353, hostPort: 5353, proto: 'udp', state: 'active', process: 'dnsmasq (712)' },
  {
    ...{ ...port, guestAddress: '127.0.0.1', guestPort: 5432, hostPort: 5432, via: 'ssh' },
    ...{ state: 'failed', reason: '127.0.0.1:5432 is taken on this computer by postgres (812)' },
  },
  { ...port, guestPort: 3000, hostPort: 3000, via: 'ssh', state: 'active', reverse: true },
]
const cluster: ClusterAccess = {
  server: 'https://127.0.0.1:6443',
  certificateAuthority: 'QQ==',
  clientCertificate: 'QQ==',
  clientKey: 'QQ==',
}
const answers: Partial<{ [M in keyof AgentMethods]: AgentMethods[M]['result'] }> = {
  status: {
    ...{ phase: 'running', mounts, ports, sockets: {} },
    warnings: [{ text: 'the clock of the guest was wrong', hint: 'It is right now.' }],
  },
  ports,
}

// Settings that cannot be, by what is wrong with them.
const wrong = {
  'a-tab': 'cpu: 2\n\tmemory: 4\n',
  'a-key': 'cpu: 2\nmemroy: 4\n',
  'a-nested-key': 'network:\n  dnsHost: {}\n',
  'a-type': 'mounts: true\n',
  'a-size': 'memory: 4 apples\n',
  'too-much': 'cpu: 64\nmemory: 900\n',
  'a-choice': 'runtime: dockr\n',
  'two-keys': 'cpu: 2\ncpu: 3\n',
  'a-port': 'portForwards:\n  - guestPort: 80\n    hostPort: 70000\n',
  'two-ports': 'portForwards:\n  - {guestPort: 80, hostPort: 8080}\n  - {guestPort: 81, hostPort: 8080}\n',
  'two-mounts': 'mounts:\n  - location: /a\n    mountPoint: /x\n  - location: /b\n    mountPoint: /x\n',
  'a-param': 'hostname: "{{.Param.NAME}}"\n',
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-shown-'))
  home = path.join(folder, 'home')
  const at = (...names: string[]) => {
    const file = path.join(home, ...names)
    mkdirSync(path.dirname(file), { recursive: true })
    return file
  }
  const put = (text: string | Buffer, ...names: string[]) => writeFileSync(at(...names), text)
  const digest = '0123456789abcdef'
  const record = {
    ...{ version: 1, arch: 'x86_64', runtime: 'docker', user: { name: 'ann', uid: 1000 } },
    ...{ imageDigest: digest, imageSha256: '', mac: '', hostKey: '', created: '2026-01-01T00:00:00.000Z' },
  }
  runningInstance(home, 'default')
  put(JSON.stringify(record), 'default', 'instance.json')
  put('mounts: null\n', 'default', 'tcolima.yaml')
  put('Host tcolima\n  Port 2222\n', 'default', 'ssh_config')
  put('2026-01-01 agent began\n2026-01-01 agent ended\n', 'default', 'agent.log')
  agent = await fakeAgent(path.join(home, 'default', 'agent.sock'), (socket, { method, params }) => {
    const access = method === 'cluster' && (params as ClusterParams).action === 'access'
    const result = access ? { cluster } : answers[method]
    send(
      socket,
      result === undefined
        ? { error: { code: 'busy', message: `no ${method} now`, hint: 'Wait.' } }
        : { result },
    )
    socket.end()
  })
  put(JSON.stringify({ ...record, runtime: 'podman' }), 'work', 'instance.json')
  put(
    'cpu: 3 # three\nruntime: podman\nmounts:\n  - location: /tmp\n    mountPoint: /mnt/tmp\n',
    'work',
    'tcolima.yaml',
  )
  put(qcow2(20), 'work', 'root.qcow2')
  put(qcow2(100), 'work', 'data.qcow2')
  put('', 'work', 'protected')
  put(JSON.stringify({ version: 99 }), 'broken', 'instance.json')
  for (const name of ['spare', 'second']) put(JSON.stringify(record), name, 'instance.json')
  put(`{}${' '.repeat(65_534)}`, '_images', digest, 'image.json')
  put(Buffer.alloc(65_536, 1), '_images', digest, 'root.img')
  put(Buffer.alloc(65_536, 1), '_images', '.build-fedcba9876543210', 'root.img')
  put('cpu: 4\n', '_templates', 'mine.yaml')
  for (const [name, text] of Object.entries(wrong)) writeFileSync(path.join(folder, `${name}.yaml`), text)
  for (const name of ['default', 'old']) {
    mkdirSync(path.join(folder, '.colima', name), { recursive: true })
    writeFileSync(path.join(folder, '.colima', name, 'colima.yaml'), 'cpu: 4\nvmType: vz\n')
  }
  const editor = path.join(folder, 'emptier')
  writeFileSync(editor, '#!/bin/sh\n: >"$1"\n', { mode: 0o755 })
})

afterAll(() => {
  agent.close()
  rmSync(folder, { recursive: true, force: true })
})

/** The start of a disk, as far as its size is read, with something in it. */
function qcow2(gib: number): Buffer {
  const disk = Buffer.alloc(65_536, 1)
  disk.write('QFI\u00FB', 'latin1')
  disk.writeUInt32BE(3, 4)
  disk.writeBigUInt64BE(BigInt(gib) * 2n ** 30n, 24)
  return disk
}

function environment(): NodeJS.ProcessEnv {
  const EDITOR = path.join(folder, 'emptier')
  return { PATH: process.env.PATH, HOME: folder, TCOLIMA_HOME: home, SHELL: '/bin/sh', EDITOR }
}

async function shown(...lines: string[]): Promise<string> {
  const texts: string[] = []
  for (const line of lines)
    texts.push(await inProcess(line.replaceAll('/HOME', folder).split(' '), environment()))
  return texts
    .join('\n')
    .replaceAll(folder, '/HOME')
    .replaceAll(path.resolve(import.meta.dirname, '../../..'), '/INSTALLED')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, 'TIME')
    .replaceAll(/\d+\.\d s$/gm, '0.0 s')
    .replaceAll(/QEMU \d+/g, 'QEMU PID')
    .replaceAll(/\/tmp\/tcolima-\d+\/\w+/g, '/SOCKETS')
}

describe('tables and facts', () => {
  it.each<[string, ...string[]]>([
    ['list', 'list', 'list --json', 'list -p work'],
    ['status', 'status', 'status --extended', 'status --json', 'status work', 'status broken'],
    ['ports', 'ports', 'ports --json'],
    ['mount', 'mount list', 'mount list work', 'mount list --json', 'mount list work --json'],
    ['artifacts', 'artifacts list', 'artifacts list --json'],
    ['template', 'template list', 'template list --json', 'template --print', 'template --print --json'],
    ['disk', 'disk usage work', 'disk usage work --json'],
    ['image', 'image list', 'image list --json'],
    ['config', 'config get cpu -p work', 'config get -p work', 'config get mounts -p work --json'],
    ['validate', 'config validate -p work', 'config validate -p work --json'],
    ['autostart', 'autostart status work', 'autostart status work --json'],
    ['env', 'env', 'env --json', 'env --unset --shell fish'],
    ['logs', 'logs', 'logs -n 1', 'logs --json'],
    ['ssh-config', 'ssh-config', 'ssh-config --format cmd', 'ssh-config --json'],
    ['migrate', 'migrate colima', 'migrate colima --json'],
    ['protect', 'protect work', 'unprotect work --json', 'protect work --json'],
  ])('%s', async (name, ...lines) => {
    await expect(await shown(...lines)).toMatchFileSnapshot(path.join(shots, `${name}.txt`))
  })
})

describe('errors by code', () => {
  it.each<[string, ...string[]]>([
    [
      'usage',
      ...['strat', 'start --memroy 2', 'start --quux', 'start --cpus', 'stop a b', 'status -p ../x'],
      ...['stop a -p b', 'start --cpus 2 --cpu 4', 'start --cpus 0', 'start --cpus 99', 'start --memory 1x'],
      ...['start --disk 1.5', 'start --runtime dockr', 'start --arch riscv64', 'start --mount-type nfs'],
      ...[
        'start --mount /HOME:relative',
        'start --mount none --mount /HOME',
        'start --env A',
        'start --dns x',
      ],
      ...['start --activate=maybe', 'start --template smal', 'start --hostname -x'],
      ...['config frob', 'config get memroy -p work', 'config set cpu -p work', 'mount frob', 'mount add'],
      ...['mount remove /nowhere -p work', 'logs --source kernel', 'logs -n x', 'completion tcsh'],
      ...['artifacts fetch', 'artifacts fetch k4s', 'nerdctl install --wrong', 'cp a b', 'env --shell cmd'],
      ...['ssh-config --format json', 'disk frob', 'disk resize', 'image frob', 'autostart frob work'],
      ...['kubernetes frob', 'migrate lima', 'clone default default', 'template frob'],
    ],
    ['settings', ...Object.keys(wrong).map((name) => `config validate /HOME/${name}.yaml`)],
    [
      'changes',
      ...['config set runtime docker -p work', 'config set disk 50 -p work', 'config set cpu two -p work'],
      ...['disk resize 50 -p work', 'start work --runtime docker', 'start work --disk 50'],
      ...['start new --mount /HOME/gone', 'start new --arch aarch64', 'nerdctl ps'],
    ],
    [
      'not-found',
      ...[
        'status nosuch',
        'list -p nosuch',
        'stop nosuch',
        'ssh nosuch',
        'ssh-config nosuch',
        'delete nosuch --force',
      ],
      ...['protect nosuch', 'disk usage nosuch', 'clone nosuch other', 'events nosuch', 'logs work'],
      ...['mount list nosuch', 'autostart enable nosuch', 'status nosuch --json', 'support nosuch'],
    ],
    [
      'not-running',
      ...['ssh work', 'ports work', 'env work', 'mount add /HOME -p work', 'update work', 'disk trim work'],
      ...['kubernetes stop work', 'logs work --source docker', 'status work --json'],
    ],
    [
      'busy',
      'clone default other',
      'delete work --force',
      'disk compact',
      'mount add /HOME',
      'kubernetes stop',
    ],
    ['cancelled', 'edit work', 'template'],
    ['host', 'edit work --editor false'],
    ['failed', 'image prune', 'prune --json'],
  ])('%s', async (name, ...lines) => {
    await expect(await shown(...lines)).toMatchFileSnapshot(path.join(shots, 'errors', `${name}.txt`))
  })
})

// Command lines for each command that has --json; the last ones change what the others look at.
const jsonLines: Record<string, string[]> = {
  start: ['start new --mount /HOME/gone'],
  restart: ['restart nosuch --mount /HOME/gone'],
  status: ['status', 'status -e'],
  list: ['list'],
  config: ['config get -p work', 'config set cpu 2 -p work', 'config schema'],
  template: ['template list', 'template --print', 'template --editor true'],
  mount: ['mount list', 'mount add /HOME -p second --save'],
  ports: ['ports'],
  'ssh-config': ['ssh-config'],
  cp: ['cp a b'],
  env: ['env', 'env --unset'],
  events: ['events nosuch'],
  logs: ['logs'],
  kubernetes: ['kubernetes kubeconfig', 'kubernetes stop'],
  artifacts: ['artifacts list', 'artifacts fetch nothing'],
  edit: ['edit work --editor true'],
  update: ['update work'],
  protect: ['protect spare'],
  unprotect: ['unprotect spare'],
  disk: ['disk usage work', 'disk compact spare'],
  image: ['image list'],
  autostart: ['autostart status work', 'autostart disable work'],
  migrate: ['migrate colima'],
  doctor: ['doctor'],
  support: ['support spare -o /HOME/support.tar.gz'],
  version: ['version'],
  clone: ['clone spare copied'],
  rename: ['rename copied renamed'],
  stop: ['stop renamed'],
  delete: ['delete renamed --force --data', 'delete broken --force'],
  prune: ['prune --force'],
}

describe('--json: objects, one a line, and nothing else anywhere', () => {
  it('is tried for every command that has it', () => {
    const having = commands.filter(({ flags = [] }) =>
      flags.some(({ flags: spec }) => spec.endsWith('--json')),
    )
    expect(Object.keys(jsonLines).sort()).toEqual(having.map(({ name }) => name).sort())
  })

  it.each(Object.entries(jsonLines))('%s', async (_name, lines) => {
    for (const line of lines) {
      const words = `${line} --json`.replaceAll('/HOME', folder).split(' ')
      const { out, err } = await runInProcess(words, environment())
      expect([line, err]).toEqual([line, ''])
      const read = out
        .trimEnd()
        .split('\n')
        .map((each) => JSON.parse(each) as unknown)
      expect(read.length, line).toBeGreaterThan(0)
    }
  })
})
