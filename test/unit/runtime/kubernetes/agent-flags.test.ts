import { expect, it } from 'vitest'
import { agentFlags } from '../../../../src/runtime/kubernetes/agent-flags.ts'

it.each([
  [['--disable=traefik', '--node-label=a=b'], ['--node-label=a=b']],
  [
    ['--tls-san', 'a', '--node-label', 'a=b', '--cluster-cidr', '10.1.0.0/16', '-v', '2'],
    ['--node-label', 'a=b', '-v', '2'],
  ],
  // A value may look like a flag.
  [
    ['--kubelet-arg', '--v=4', '--docker'],
    ['--kubelet-arg', '--v=4', '--docker'],
  ],
  // A switch takes no word with it, known or not.
  [
    ['--selinux', 'x', '--disable-network-policy', '--debug'],
    ['--selinux', '--debug'],
  ],
  [['--debug=false', '-i=10.0.0.1', '-node-taint', 'k=v:NoSchedule'], null],
  [['--server=https://x:6443', '--token', 'secret', '-t', 'secret', '--token-file=f'], []],
  [
    ['--flannel-backend=none', '--service-cidr=10.2.0.0/16', '--cluster-dns=10.2.0.10', '--cluster-domain=x'],
    [],
  ],
  [['--write-kubeconfig-mode', '644', '--disable-cloud-controller', '--disable-kube-proxy'], []],
  // Without its value: k3s says so.
  [['--node-label'], ['--node-label']],
  [['word'], []],
  [[], []],
])('%j: %j', (given, kept) => expect(agentFlags(given)).toEqual(kept ?? given))
