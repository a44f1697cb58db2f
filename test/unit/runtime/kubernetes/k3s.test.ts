import { describe, expect, it } from 'vitest'
import {
  agentArguments,
  clusterEngine,
  endsAtOnce,
  readClusterState,
  serverArguments,
  withoutCoreDns,
} from '../../../../src/runtime/kubernetes/k3s.ts'

describe('the arguments of k3s server', () => {
  it.each([
    ['docker', ['--docker']],
    [
      'containerd',
      [
        '--container-runtime-endpoint=unix:///run/containerd/containerd.sock',
        '--kubelet-arg=cgroup-driver=systemd',
      ],
    ],
    ['none', []],
  ] as const)("share the engine's images: %s", (engine, own) => {
    const args = serverArguments(engine, 'tcolima', { k3sArgs: [] })
    expect(args).toEqual(['--node-name=tcolima', '--https-listen-port=6443', ...own])
  })

  it("end with the user's, which win", () => {
    const k3sArgs = ['--disable=traefik', '--kubelet-arg=a b']
    expect(serverArguments('docker', 'n', { k3sArgs }).slice(-2)).toEqual(k3sArgs)
  })

  it('name the address and the card of a node among several', () => {
    const args = serverArguments('none', 'n', { k3sArgs: ['--x'] }, { address: '10.41.0.1', card: 'eth1' })
    expect(args.slice(2)).toEqual(['--node-ip=10.41.0.1', '--flannel-iface=eth1', '--x'])
  })

  it('of k3s agent: where the server is, and nothing that only a server knows', () => {
    const k3sArgs = ['--disable=traefik', '--disable', 'servicelb', '--node-label=a=b']
    const place = { address: '10.41.0.2', card: 'eth1' }
    expect(agentArguments('docker', 'worker', { k3sArgs }, place, '10.41.0.1')).toEqual([
      '--server=https://10.41.0.1:6443',
      '--node-name=worker',
      '--docker',
      '--node-ip=10.41.0.2',
      '--flannel-iface=eth1',
      '--node-label=a=b',
    ])
  })

  it('are none for an engine that Kubernetes cannot use', () => {
    expect(() => clusterEngine('podman')).toThrow(/podman/)
  })

  it.each([
    [['--disable=traefik'], false],
    [['--disable=traefik,coredns'], true],
    [['--disable', 'coredns'], true],
    [['coredns'], false],
  ])('%j leave CoreDNS out: %s', (args, out) => expect(withoutCoreDns(args)).toBe(out))
})

it.each([
  [0, 0, false],
  [2, 1000, false],
  [3, 10_000, true],
  [3, 100_000, true],
  [3, 200_000, false],
  [20, 200_000, true],
])('a k3s that ended %d times in %d ms will not come: %s', (restarts, elapsed, broken) => {
  expect(endsAtOnce(restarts, elapsed)).toBe(broken)
})

describe('what the guest says of a cluster', () => {
  const head = 'ActiveState=active\nSubState=running\nNRestarts=2\n'
  const config = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Y2E=
    server: https://127.0.0.1:6443
  name: default
users:
- name: default
  user:
    client-certificate-data: Y2VydA==
    client-key-data: a2V5
`
  it('is the unit, and how to come in', () => {
    expect(readClusterState(`${head}\n${config}`)).toEqual({
      active: 'active',
      restarts: 2,
      access: {
        server: 'https://127.0.0.1:6443',
        certificateAuthority: 'Y2E=',
        clientCertificate: 'Y2VydA==',
        clientKey: 'a2V5',
      },
    })
  })

  it.each([
    ['no kubeconfig yet', `${head}\n`],
    ['half a kubeconfig', `${head}\n${config.slice(0, 120)}`],
    ['no YAML', `${head}\n{{{`],
  ])('may be without a way in: %s', (_what, text) => {
    expect(readClusterState(text)).toEqual({ active: 'active', restarts: 2 })
  })

  it('may be nothing', () => expect(readClusterState('')).toEqual({ active: '', restarts: 0 }))
})
