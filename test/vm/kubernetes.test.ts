import { existsSync, readFileSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { parse } from 'yaml'
import { jumps, sync, web } from '../fixtures/service-rules.ts'
import { docker, eventually, tcolima, temporaryFolder, userEnv } from './harness.ts'
import { makeK3sMirror } from './k3s-mirror.ts'

const shared = inject('shared')
const profile = 'shared'
const version = 'v1.33.0+k3s1'
const brought = 'rancher/stand-in:1'

const { folder, remove } = temporaryFolder()
const mirror = path.join(folder, 'mirror')
const kubeconfig = path.join(folder, 'kubeconfig')
const env = userEnv(shared, { KUBECONFIG: kubeconfig, TCOLIMA_MIRROR: mirror })

const kubernetes = async (...args: string[]) => await tcolima(['kubernetes', ...args, '-p', profile], { env })
const guest = async (script: string) => await tcolima(['ssh', profile, '--', 'sh', '-c', script])

const asRoot = async (script: string, input?: string) =>
  await tcolima(
    ['ssh', profile, '--', 'sudo', 'sh', '-c', script],
    input === undefined ? {} : { input, stdin: 'pipe' },
  )

/** What a web server on a port of the host's loopback answers; undefined where none does. */
async function answer(port: number): Promise<string | undefined> {
  return await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(20_000) }).then(
    async (response) => await response.text(),
    () => undefined,
  )
}

async function kubectl(...args: string[]) {
  return await execa('kubectl', args, { env, extendEnv: false, reject: false, timeout: 60_000 })
}

/** The certificate authority of the cluster that the kubeconfig leads to: another cluster has another. */
function authority(): string {
  const { clusters } = parse(readFileSync(kubeconfig, 'utf8')) as {
    clusters: { cluster: Record<string, string> }[]
  }
  return clusters[0]?.cluster['certificate-authority-data'] ?? ''
}

async function refused(port: number): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', () => resolve(true))
  })
}

beforeAll(async () => {
  await makeK3sMirror(mirror, version, brought)
})

afterAll(async () => {
  await kubernetes('delete')
  await docker(profile, ['rm', '-f', 'pod', 'mine'])
  await docker(profile, ['rmi', brought])
  remove()
})

describe('what the guest has for k3s', () => {
  it('kernel modules, programs, cgroups and mounts', async () => {
    const modules =
      'overlay br_netfilter nf_conntrack vxlan veth bridge nf_nat xt_MASQUERADE xt_comment xt_conntrack xt_mark xt_multiport xt_statistic xt_addrtype xt_nat xt_REDIRECT ip_set xt_set ip_vs ' +
      // network policies, hostPorts, session affinity, what kube-proxy counts
      'ip_set_hash_ip ip_set_hash_net xt_NFLOG xt_limit xt_physdev xt_recent xt_tcpudp ipt_REJECT nfnetlink_acct xt_nfacct nf_conntrack_netlink'
    const programs =
      'iptables iptables-save iptables-restore ip6tables conntrack ipset ethtool socat mount umount nsenter modprobe sysctl ip tar'
    const script = `
      for each in ${modules}; do modprobe "$each" || echo "no module $each"; done
      for each in ${programs}; do command -v "$each" >/dev/null || echo "no program $each"; done
      for each in cpu cpuset io memory pids; do
        grep -qw "$each" /sys/fs/cgroup/cgroup.controllers || echo "no controller $each"
      done
      grep -q ' / / .*shared:' /proc/self/mountinfo || echo 'the root is not shared'
      [ -e /etc/systemd/system/k3s.service ] || echo 'no unit'
      echo end`
    expect((await tcolima(['ssh', profile, '--', 'sudo', 'sh', '-c', script])).stdout).toBe('end')
  })
})

describe('a cluster (k3s is a stand-in that only answers)', () => {
  it('runs, its API on the loopback and in the kubeconfig, and the images that were brought in docker', async () => {
    const started = await kubernetes('start', '--kubernetes-version', version)
    expect(started.exitCode, String(started.stderr)).toBe(0)
    expect(statSync(kubeconfig).mode & 0o777).toBe(0o600)
    expect((await kubectl('config', 'current-context')).stdout).toBe('tcolima-shared')
    const nodes = await kubectl('get', '--raw', '/api/v1/nodes')
    expect(nodes.stdout, nodes.stderr).toContain('"name":"tcolima-shared"')
    expect((await docker(profile, ['image', 'inspect', brought])).exitCode).toBe(0)
    // The stand-in listens where the kubelet does: that is not for the host.
    expect(await refused(10_250)).toBe(true)
    const words = String((await guest('sudo cat /run/k3s-stand-in/arguments')).stdout).split('\n')
    expect(words).toEqual([
      'server',
      '--agent-token-file=/mnt/tcolima-data/kubernetes/agent-token',
      '--node-name=tcolima-shared',
      '--https-listen-port=6443',
      '--docker',
      '--disable=traefik',
    ])
    const own = await kubernetes('kubeconfig')
    expect(parse(String(own.stdout))).toMatchObject({ 'current-context': 'tcolima-shared' })
  })

  it('has NodePorts on the host while their services are there (rules as kube-proxy writes them)', async () => {
    const pod = `
      ip netns add pod; ip link add pod0 type veth peer name eth0 netns pod
      ip address add 10.42.0.1/24 dev pod0; ip link set pod0 up
      ip -n pod address add 10.42.0.8/24 dev eth0; ip -n pod link set eth0 up; ip -n pod route add default via 10.42.0.1
      mkdir -p /run/pod; echo 'from the pod' >/run/pod/index.html
      ip netns exec pod busybox httpd -p 8000 -h /run/pod
      # As flannel, where docker lets nothing through.
      iptables -I FORWARD -m comment --comment 'flanneld forward' -d 10.42.0.0/16 -j ACCEPT
      iptables -I FORWARD -m comment --comment 'flanneld forward' -s 10.42.0.0/16 -j ACCEPT`
    expect(await asRoot(`set -e; ${pod}`)).toMatchObject({ exitCode: 0, stderr: '' })
    const toPod = ['-A KUBE-EXT-WEB -j KUBE-SVL-WEB']
    expect(
      await asRoot('iptables-restore --noflush', jumps + sync([web], { external: toPod })),
    ).toMatchObject({
      exitCode: 0,
    })
    const said = await eventually(async () => await answer(30_080), 30_000)
    expect(said).toBe('from the pod\n')
    expect((await asRoot('iptables-restore --noflush', sync([]))).exitCode).toBe(0)
    await eventually(async () => ((await refused(30_080)) ? true : undefined), 30_000)
  })

  it('stops with its pods and nothing else, and comes back as the same', async () => {
    const before = authority()
    const run = ['run', '-d', '--name']
    await docker(profile, [...run, 'pod', '--label', 'io.kubernetes.pod.uid=1', 'busybox', 'sleep', '600'])
    await docker(profile, [...run, 'mine', 'busybox', 'sleep', '600'])
    const stopped = await kubernetes('stop')
    expect(stopped.exitCode, String(stopped.stderr)).toBe(0)
    expect((await docker(profile, ['ps', '-a', '--format', '{{.Names}}'])).stdout).toContain('mine')
    expect((await docker(profile, ['ps', '-a', '--format', '{{.Names}}'])).stdout).not.toContain('pod')
    expect((await asRoot('iptables-save; ip netns delete pod')).stdout).not.toMatch(/KUBE|flannel/)
    expect((await kubectl('config', 'current-context')).exitCode).not.toBe(0)
    expect((await kubectl('config', 'get-contexts', '-o', 'name')).stdout).toBe('tcolima-shared')
    expect((await kubernetes('kubeconfig')).exitCode).toBe(3)
    // Through the settings this time, on the machine that runs.
    const started = await tcolima(['start', profile, '--kubernetes'], { env })
    expect(started.exitCode, String(started.stderr)).toBe(0)
    expect(authority()).toBe(before)
    expect((await kubectl('get', '--raw', '/readyz')).stdout).toBe('ok')
  })

  it('that does not come says why, and a reset makes a new one with the images of docker', async () => {
    const before = authority()
    const failed = await kubernetes('start', '--k3s-arg=--fail', '--k3s-arg=a b')
    expect(failed.exitCode).toBe(1)
    expect(failed.stderr).toContain('the stand-in was told to fail')
    const reset = await kubernetes('reset', '--k3s-arg', "--x=it's $HOME")
    expect(reset.exitCode, String(reset.stderr)).toBe(0)
    expect(authority()).not.toBe(before)
    expect((await kubectl('get', '--raw', '/version')).stdout).toContain('stand-in')
    expect(String((await guest('sudo tail -n 1 /run/k3s-stand-in/arguments')).stdout)).toBe("--x=it's $HOME")
    expect((await docker(profile, ['image', 'inspect', brought])).exitCode).toBe(0)
  })

  it('that is deleted leaves nothing in the kubeconfig and in the guest', async () => {
    const gone = await kubernetes('delete')
    expect(gone.exitCode, String(gone.stderr)).toBe(0)
    expect((await kubectl('config', 'get-contexts', '-o', 'name')).stdout).toBe('')
    expect(existsSync(`${kubeconfig}.lock`)).toBe(false)
    expect((await guest('sudo ls /mnt/tcolima-data')).stdout).not.toMatch(/kube|rancher/)
  })
})
