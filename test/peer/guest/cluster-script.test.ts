import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

// The guest's script with its folders below another root; what changes the machine is played: mount(8), systemctl(1) and the like.
const script = readFileSync(
  path.resolve(import.meta.dirname, '../../../guest/rootfs/usr/lib/tcolima/kubernetes'),
  'utf8',
)
const containerdConfig = readFileSync(
  path.resolve(import.meta.dirname, '../../../guest/engines/containerd/rootfs/etc/containerd/config.toml'),
  'utf8',
).replace('ADMIN_GROUP', '0')
const hasContainerd = spawnSync('containerd', ['--version']).status === 0
const played: Record<string, string> = {
  mount: 'echo "$3" >>"$ROOT/mounts"',
  mountpoint: 'grep -qx "$2" "$ROOT/mounts" 2>/dev/null',
  umount: 'sed -i "\\\\|^$2\\$|d" "$ROOT/mounts"',
  ctr: `case "$*" in
    *import*) [ ! -e "$ROOT/full" ] && cat >"$ROOT/came" && echo 'unpacking a:1 (sha256:0)...done' ;;
    *images*) cat "$ROOT/images" ;;
    esac`,
  // What it is to be told; not all hosts have it.
  zstd: '[ "$1" = -dcq ] && gzip -dc "$2"',
  systemctl: 'case $* in *is-active*) exit 1 ;; esac; echo "systemctl $*" >>"$ROOT/log"',
  ...Object.fromEntries(
    [
      'modprobe',
      'sysctl',
      'ip',
      'iptables-save',
      'iptables-restore',
      'ip6tables-save',
      'ip6tables-restore',
    ].map((name) => [name, ':']),
  ),
}

let root: string
let home: string
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'tcolima-cluster-'))
  home = path.join(root, 'mnt/tcolima-data/kubernetes')
  for (const folder of [home, 'bin', 'run/tcolima/seed', 'etc/containerd', 'run/systemd/system']) {
    mkdirSync(path.resolve(root, folder), { recursive: true })
  }
  const moved = script.replaceAll(/(?<![\w.])\/(?=(?:mnt|run|var|etc|sys)\/)/g, `${root}/`)
  program('kubernetes', moved.replace('#!/bin/sh\n', ''))
  for (const [name, text] of Object.entries(played)) program(name, text)
  writeFileSync(path.join(root, 'etc/containerd/config.toml'), containerdConfig)
  writeFileSync(path.join(home, 'k3s'), '#!/bin/sh\nfor word; do echo "$word"; done\n', { mode: 0o755 })
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function program(name: string, text: string): void {
  writeFileSync(path.join(root, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
}

function run(verb: string, words: string[] = [], input = '') {
  const env = { ...process.env, ROOT: root, PATH: `${root}/bin:${process.env.PATH ?? ''}` }
  const { status, stdout, stderr } = spawnSync(path.join(root, 'bin/kubernetes'), [verb, ...words], {
    encoding: 'utf8',
    env,
    input,
  })
  return { status, stdout, stderr }
}

/** What k3s is started with, for a node with these arguments. */
function startedWith(role: 'server' | 'agent', text: string): string[] {
  writeFileSync(path.join(home, 'role'), `${role}\n`)
  writeFileSync(path.join(home, 'arguments'), text)
  const { status, stdout, stderr } = run('run')
  expect(status, stderr).toBe(0)
  return stdout.trimEnd().split('\n')
}

describe('what lets workers in', () => {
  const file = () => path.join(home, 'agent-token')

  test('is a token of their own, which a server keeps', () => {
    const words = startedWith('server', "set -- '--node-name=a b'\n")
    expect(words).toEqual(['server', `--agent-token-file=${file()}`, '--node-name=a b'])
    const token = readFileSync(file(), 'utf8')
    expect(token).toMatch(/^[0-9a-f]{32}$/)
    startedWith('server', 'set -- --x\n')
    expect(readFileSync(file(), 'utf8')).toBe(token)
  })

  test('is none that a worker makes, and none beside the one of the user', () => {
    expect(startedWith('agent', 'set -- --x\n')).toEqual(['agent', '--x'])
    expect(startedWith('server', 'set -- --agent-token=mine\n')).toEqual(['server', '--agent-token=mine'])
    expect(existsSync(file())).toBe(false)
  })

  test('is told where k3s has it, and what a k3s of before has for all', () => {
    expect(run('token')).toMatchObject({ status: 1, stderr: 'k3s has no token yet\n' })
    const folder = path.join(root, 'var/lib/rancher/k3s/server')
    mkdirSync(folder, { recursive: true })
    writeFileSync(path.join(folder, 'node-token'), 'K10a::server:b\n')
    expect(run('token').stdout).toBe('K10a::server:b\n')
    writeFileSync(path.join(folder, 'agent-token'), 'K10a::node:c\n')
    expect(run('token').stdout).toBe('K10a::node:c\n')
  })

  test.each([
    ['the node stays with another token of the same cluster', 'K10a::node:new', true],
    ['the node begins anew with a token of another cluster', 'K10b::node:new', false],
  ])('%s', (_what, token, stays) => {
    const text = (each: string) => `export K3S_TOKEN='${each}'\nset -- --x\n`
    expect(run('start', ['docker', 'agent'], text('K10a::server:old')).status).toBe(0)
    const pod = path.join(root, 'mnt/tcolima-data/kubelet/pod')
    writeFileSync(pod, '')
    expect(run('start', ['docker', 'agent'], text(token)).status).toBe(0)
    expect(existsSync(pod)).toBe(stays)
  })
})

test('what networks of nerdctl have given to containers outlives the cluster, and its pods’ addresses do not', () => {
  const inside = (name: string) => path.join(root, 'var/lib/cni', name)
  for (const network of ['bridge', 'cbr0']) {
    mkdirSync(inside(`networks/${network}`), { recursive: true })
    mkdirSync(inside('results'), { recursive: true })
    writeFileSync(inside(`results/${network}-1-eth0`), '')
  }
  expect(run('start', ['containerd'], 'set -- --x\n')).toMatchObject({ status: 0 })
  expect(readFileSync(path.join(root, 'mounts'), 'utf8')).not.toContain('cni')
  expect(run('reset').status).toBe(0)
  const left = ['networks/bridge', 'results/bridge-1-eth0', 'networks/cbr0', 'results/cbr0-1-eth0']
  expect(left.map((name) => existsSync(inside(name)))).toEqual([true, true, false, false])
})

describe('the images that were brought', () => {
  const start = () => run('start', ['containerd'], 'set -- --x\n')
  const came = () => readFileSync(path.join(root, 'came'), 'utf8')
  beforeEach(() => writeFileSync(path.join(root, 'images'), ''))

  test.each([
    ['tar.zst', gzipSync('images')],
    ['tar.gz', gzipSync('images')],
    ['tar', 'images'],
  ])('come to containerd as they are, and once, out of a %s', (form, content) => {
    writeFileSync(path.join(home, `k3s-images.${form}`), content)
    expect(start()).toMatchObject({ status: 0 })
    expect(came()).toBe('images')
    rmSync(path.join(root, 'came'))
    writeFileSync(path.join(root, 'images'), 'a:1\n')
    expect(start()).toMatchObject({ status: 0 })
    expect(existsSync(path.join(root, 'came'))).toBe(false)
    // Somebody pruned them.
    writeFileSync(path.join(root, 'images'), '')
    expect(start()).toMatchObject({ status: 0 })
    expect(came()).toBe('images')
  })

  test('are an error where containerd does not take them', () => {
    writeFileSync(path.join(home, 'k3s-images.tar'), 'images')
    writeFileSync(path.join(root, 'full'), '')
    expect(start().status).toBe(1)
    rmSync(path.join(root, 'full'))
    expect(start()).toMatchObject({ status: 0 })
    expect(came()).toBe('images')
  })
})

test.skipIf(!hasContainerd)('containerd takes its configuration, with what Kubernetes asks of it', () => {
  expect(run('start', ['containerd'], 'set -- --x\n')).toMatchObject({ status: 0 })
  const words = ['--config', path.join(root, 'run/tcolima/containerd.toml'), 'config', 'dump']
  const { stdout, stderr, status } = spawnSync('containerd', words, { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  expect(/^disabled_plugins = .*/m.exec(stdout)?.[0]).not.toContain('cri')
  for (const line of [
    'sandbox_image = "docker.io/rancher/mirrored-pause:3.6"',
    // Where k3s has them, and where it writes flannel's.
    `bin_dir = "${root}/var/lib/rancher/k3s/data/cni"`,
    `conf_dir = "${root}/var/lib/rancher/k3s/agent/etc/cni/net.d"`,
    'SystemdCgroup = true',
  ]) {
    expect(stdout).toContain(line)
  }
})

test('containerd starts anew with the folder of network plugins, which it looks at only then', () => {
  const restarts = () =>
    readFileSync(path.join(root, 'log'), 'utf8')
      .split('\n')
      .filter((line) => line === 'systemctl restart containerd').length
  expect(run('start', ['containerd'], 'set -- --x\n')).toMatchObject({ status: 0 })
  expect(restarts()).toBe(1)
  expect(run('prepare').status).toBe(0)
  expect(run('start', ['containerd'], 'set -- --y\n').status).toBe(0)
  expect(restarts()).toBe(1)
  expect(run('reset').status).toBe(0)
  expect(run('start', ['containerd'], 'set -- --y\n').status).toBe(0)
  expect(restarts()).toBe(2)
})
