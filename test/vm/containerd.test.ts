import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { foreignPlatform, foreignRoot, foreignWords } from './foreign.ts'
import { endProcesses, eventually, tcolima, temporaryFolder, userEnv } from './harness.ts'
import { makeK3sMirror } from './k3s-mirror.ts'

const profile = 'shims'
const shared = inject('shared')
const scratch = temporaryFolder()
const image = 'test.invalid/busybox:latest'
const ownArchitecture = process.arch === 'x64' ? 'amd64' : 'arm64'
const env = userEnv(shared)
const guest = (...args: string[]) => tcolima(['ssh', profile, '--', ...args])
/** containerd's own client of the host, at the forwarded socket. */
const ctr = (...args: string[]) =>
  execa('ctr', ['--address', path.join(shared.home, profile, 'containerd.sock'), ...args], {
    env,
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
    timeout: 120_000,
  })

beforeAll(async () => {
  const start = ['start', profile, '--template', 'containerd', '--memory', '2', '--disk', '10']
  // It may build an image first (images.ts).
  const started = await tcolima([...start, '--mount', `${shared.userHome}:w`], { timeout: 590_000 })
  expect(started.exitCode, String(started.stderr)).toBe(0)
  const archive = await ociArchive(scratch.folder, shared.busyboxTar, image, ownArchitecture)
  const imported = await ctr('images', 'import', '--all-platforms', archive)
  expect(imported.exitCode, imported.stderr).toBe(0)
})

afterAll(async () => {
  await tcolima(['delete', '--force', '--data', profile])
  await endProcesses(shared.home, profile)
  scratch.remove()
})

describe('containerd', () => {
  it("answers the host's client at a socket for its user only", async () => {
    expect(statSync(path.join(shared.home, profile, 'containerd.sock')).mode & 0o777).toBe(0o600)
    const { stdout } = await ctr('version')
    expect(stdout).toMatch(/Server:\s+Version:\s+1\.\d/)
    expect((await ctr('images', 'list', '-q')).stdout).toBe(image)
  })

  it('runs a container with a folder of the host', async () => {
    const folder = path.join(shared.userHome, 'share')
    writeFileSync(path.join(folder, 'for-containerd'), 'host\n')
    const bind = `type=bind,src=${folder},dst=/x,options=rbind:rw`
    const run = ['sudo', 'ctr', 'run', '--rm', '--mount', bind, image, 'one', 'cat', '/x/for-containerd']
    const result = await guest(...run)
    expect([result.exitCode, result.stdout], String(result.stderr)).toEqual([0, 'host'])
  })

  it('has the port on the host that a container publishes by CNI, its log, and input for another process in it', async () => {
    // The two plug-ins that a network of nerdctl has, called as it calls them (CNI specification, "ADD").
    const net = { cniVersion: '1.0.0', name: 'net' }
    const ipam = {
      type: 'host-local',
      ranges: [[{ subnet: '10.88.0.0/24' }]],
      routes: [{ dst: '0.0.0.0/0' }],
    }
    const bridge = { ...net, type: 'bridge', isGateway: true, ipMasq: true, ipam }
    const portMappings = [{ hostPort: 18_282, containerPort: 80, protocol: 'tcp' }]
    const capabilities = { portMappings: true }
    const portmap = {
      ...net,
      type: 'portmap',
      capabilities,
      runtimeConfig: { portMappings },
      prevResult: '@',
    }
    const script = `
      set -eu
      ip netns add web
      export CNI_COMMAND=ADD CNI_CONTAINERID=web CNI_NETNS=/run/netns/web CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni
      made=$(echo '${JSON.stringify(bridge)}' | /usr/lib/cni/bridge)
      echo '${JSON.stringify(portmap).replace('"@"', `'"$made"'`)}' | /usr/lib/cni/portmap >/dev/null
      ctr run -d --with-ns network:/run/netns/web --log-uri file:///run/web.log ${image} web \
        sh -c 'echo words; echo page >/index.html; exec httpd -f -p 80 -h /'`
    const made = await guest('sudo', 'sh', '-c', script)
    expect(made.exitCode, String(made.stderr)).toBe(0)
    const page = async () => {
      const answer = await fetch('http://127.0.0.1:18282/index.html').catch(() => undefined)
      return await answer?.text()
    }
    expect(await eventually(page, 60_000)).toBe('page\n')
    expect((await guest('sudo', 'cat', '/run/web.log')).stdout).toBe('words')
    const exec = ['ssh', profile, '--', 'sudo', 'ctr', 'tasks', 'exec', '--exec-id', 'one', 'web', 'cat']
    expect((await tcolima(exec, { stdin: 'pipe', input: 'typed\n' })).stdout).toBe('typed')
    await guest('sudo', 'sh', '-c', 'ctr tasks kill -s KILL web; ctr tasks rm -f web; ctr containers rm web')
  })

  it('runs an image for another processor', async () => {
    const { root, tar } = await foreignRoot(scratch.folder)
    const name = 'test.invalid/foreign:latest'
    const archive = await ociArchive(root, tar, name, path.basename(foreignPlatform))
    const imported = await ctr('images', 'import', '--all-platforms', archive)
    expect(imported.exitCode, imported.stderr).toBe(0)
    const run = ['sudo', 'ctr', 'run', '--rm', '--platform', foreignPlatform, name, 'other', '/hello']
    const result = await guest(...run)
    expect(`${String(result.stdout)}\n`, String(result.stderr)).toBe(foreignWords)
    await ctr('images', 'rm', name)
  })

  it('keeps images and containers over a stop', async () => {
    await guest('sudo', 'ctr', 'containers', 'create', image, 'kept', 'sleep', '1000')
    expect((await tcolima(['restart', profile])).exitCode).toBe(0)
    expect((await ctr('containers', 'list', '-q')).stdout).toBe('kept')
    expect((await ctr('images', 'list', '-q')).stdout).toBe(image)
  })
})

describe('a cluster on containerd (k3s is a stand-in that only answers)', () => {
  const brought = 'rancher/stand-in:1'
  const inContainerd = `docker.io/${brought}`
  // Not that of other files: the store keeps one form of a release's images.
  const version = 'v1.34.0+k3s1'
  const mirror = path.join(scratch.folder, 'mirror')
  const kubeEnv = { ...env, KUBECONFIG: path.join(scratch.folder, 'kubeconfig'), TCOLIMA_MIRROR: mirror }
  const kubernetes = (...args: string[]) => tcolima(['kubernetes', ...args, '-p', profile], { env: kubeEnv })
  const kubectl = (...args: string[]) =>
    execa('kubectl', args, { env: kubeEnv, extendEnv: false, reject: false, timeout: 60_000 })
  const inPods = async (...args: string[]) => (await ctr('-n', 'k8s.io', ...args)).stdout.split('\n')

  it('starts while a container runs, and its interface to Kubernetes has the images that were brought', async () => {
    await makeK3sMirror(mirror, version, brought, 'tar.zst')
    const ran = await guest('sudo', 'ctr', 'run', '-d', image, 'mine', 'sleep', '1000')
    expect(ran.exitCode, String(ran.stderr)).toBe(0)
    const started = await kubernetes('start', '--kubernetes-version', version)
    expect(started.exitCode, String(started.stderr)).toBe(0)
    const nodes = await kubectl('get', '--raw', '/api/v1/nodes')
    expect(nodes.stdout, nodes.stderr).toContain(`"name":"tcolima-${profile}"`)
    expect((await kubectl('config', 'current-context')).stdout).toBe(`tcolima-${profile}`)
    // The label is what the interface gives those that it knows.
    const known = ['images', 'list', '-q', 'labels."io.cri-containerd.image"==managed']
    await eventually(async () => (await inPods(...known)).includes(inContainerd) || undefined, 30_000)
    const words = String((await guest('sudo', 'cat', '/run/k3s-stand-in/arguments')).stdout).split('\n')
    expect(words).toEqual([
      'server',
      '--agent-token-file=/mnt/tcolima-data/kubernetes/agent-token',
      `--node-name=tcolima-${profile}`,
      '--https-listen-port=6443',
      '--container-runtime-endpoint=unix:///run/containerd/containerd.sock',
      '--kubelet-arg=cgroup-driver=systemd',
      '--disable=traefik',
    ])
  })

  it('that is deleted takes its pods along, and leaves images and other containers', async () => {
    const labelled = ['--label', 'io.cri-containerd.kind=container']
    const pod = [
      'sudo',
      'ctr',
      '-n',
      'k8s.io',
      'run',
      '-d',
      ...labelled,
      inContainerd,
      'pod',
      'sleep',
      '1000',
    ]
    const ran = await guest(...pod)
    expect(ran.exitCode, String(ran.stderr)).toBe(0)
    const gone = await kubernetes('delete')
    expect(gone.exitCode, String(gone.stderr)).toBe(0)
    expect(await inPods('containers', 'list', '-q')).toEqual([''])
    expect(await inPods('images', 'list', '-q')).toContain(inContainerd)
    expect((await ctr('images', 'list', '-q')).stdout).toBe(image)
    expect((await ctr('tasks', 'list')).stdout).toMatch(/^mine\s+\d+\s+RUNNING$/m)
    expect((await guest('sudo', 'ls', '/mnt/tcolima-data')).stdout).not.toMatch(/kube|rancher/)
    expect((await kubectl('config', 'get-contexts', '-o', 'name')).stdout).toBe('')
    await guest(
      'sudo',
      'sh',
      '-c',
      'ctr tasks kill -s KILL mine; ctr tasks rm -f mine; ctr containers rm mine',
    )
  })
})

describe('tcolima nerdctl, with a stand-in for nerdctl', () => {
  it('is told how to get nerdctl where there is none and nothing to fetch it from', async () => {
    const result = await tcolima(['nerdctl', '-p', profile, 'ps'], {
      env: { ...env, TCOLIMA_MIRROR: scratch.folder },
    })
    expect(result.exitCode).toBe(1)
    expect(result.stderr).toMatch(/there is no nerdctl in the guest.*nerdctl\/releases[\s\S]*TCOLIMA_MIRROR/)
  })

  it('its archive is unpacked without what Debian has', async () => {
    const tree = path.join(scratch.folder, 'full')
    const program =
      '#!/bin/sh\nid -u; pwd; test -t 1 && echo terminal; printf "<%s>" "$@"; test -t 0 || cat; exit 42\n'
    const files = {
      'bin/nerdctl': program,
      'bin/buildctl': 'x',
      'bin/containerd': 'x',
      'libexec/cni/bridge': 'x',
    }
    for (const [name, text] of Object.entries({ ...files, 'lib/systemd/system/containerd.service': 'x' })) {
      mkdirSync(path.join(tree, path.dirname(name)), { recursive: true })
      writeFileSync(path.join(tree, name), text, { mode: 0o755 })
    }
    const archive = path.join(scratch.folder, 'full.tar.gz')
    await execa('tar', ['-C', tree, '-czf', archive, 'bin', 'lib', 'libexec'])
    const unpacked = await tcolima(['ssh', profile, '--', 'sudo', '/usr/lib/tcolima/install-nerdctl'], {
      stdin: 'pipe',
      input: readFileSync(archive),
    })
    expect(unpacked.exitCode, String(unpacked.stderr)).toBe(0)
    const there = await guest('find', '/usr/local', '-type', 'f')
    expect(String(there.stdout).split('\n').sort()).toEqual([
      '/usr/local/bin/buildctl',
      '/usr/local/bin/nerdctl',
      '/usr/local/libexec/cni/bridge',
    ])
  })

  it('passes words, input, folder and the exit status on', async () => {
    const folder = path.join(shared.userHome, 'share')
    const result = await tcolima(['nerdctl', '-p', profile, 'run', '-it', '--rm', 'a b', '--', "'x'"], {
      stdin: 'pipe',
      input: 'typed',
      cwd: folder,
    })
    expect([result.exitCode, result.stdout]).toEqual([
      42,
      `0\n${folder}\n<run><-it><--rm><a b><--><'x'>typed`,
    ])
  })

  it('gives it a terminal where there is one', async () => {
    const main = path.resolve(import.meta.dirname, '../../dist/main.cjs')
    const command = `${process.execPath} ${main} nerdctl -p ${profile} -- ps`
    const result = await execa('script', ['-qec', command, '/dev/null'], {
      env,
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
      timeout: 120_000,
    })
    expect(result.stdout).toContain('terminal')
  })

  it('install writes a program that does the same', async () => {
    const program = path.join(scratch.folder, 'bin', 'nerdctl')
    const made = await tcolima(['nerdctl', '-p', profile, 'install', '--path', program])
    expect(made.exitCode, String(made.stderr)).toBe(0)
    const result = await execa(program, ['ps', '-a'], {
      env,
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
    })
    expect([result.exitCode, result.stdout]).toEqual([42, expect.stringContaining('<ps><-a>')])
  })
})

/** An image with one layer (a tar file) as an archive in the form of OCI's image layout. */
async function ociArchive(
  folder: string,
  layerFile: string,
  name: string,
  architecture: string,
): Promise<string> {
  const layout = path.join(folder, 'oci')
  const blobs = path.join(layout, 'blobs/sha256')
  mkdirSync(blobs, { recursive: true })
  const blob = (content: Buffer | string, mediaType: string) => {
    const digest = createHash('sha256').update(content).digest('hex')
    writeFileSync(path.join(blobs, digest), content)
    return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(content) }
  }
  const oci = 'application/vnd.oci.image'
  const layer = blob(readFileSync(layerFile), `${oci}.layer.v1.tar`)
  const rootfs = { type: 'layers', diff_ids: [layer.digest] }
  const config = blob(
    JSON.stringify({ architecture, os: 'linux', config: { Env: ['PATH=/bin'] }, rootfs }),
    `${oci}.config.v1+json`,
  )
  const manifest = blob(
    JSON.stringify({ schemaVersion: 2, mediaType: `${oci}.manifest.v1+json`, config, layers: [layer] }),
    `${oci}.manifest.v1+json`,
  )
  const annotations = { 'io.containerd.image.name': name }
  writeFileSync(
    path.join(layout, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  )
  writeFileSync(path.join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const archive = path.join(folder, 'oci.tar')
  await execa('tar', ['-C', layout, '-cf', archive, 'blobs', 'index.json', 'oci-layout'])
  return archive
}
