/**
 * Of arguments of `k3s server` those that `k3s agent` takes too (docs.k3s.io, "k3s agent"; k3s 1.34), with their values as
 * words of their own. Where the server is and how a node gets in is not the user's to say here. Pure.
 */
export function agentFlags(k3sArgs: readonly string[]): string[] {
  const kept: string[] = []
  for (let at = 0; at < k3sArgs.length; ) {
    const from = at++
    const [, name = '', given] = /^--?([^=]+)(=)?/.exec(k3sArgs[from] ?? '') ?? []
    if (given === undefined && withValue.has(name)) at++
    // What follows an unknown one is its value, unless it is a flag.
    else if (given === undefined && !switches.has(name))
      while (at < k3sArgs.length && !k3sArgs[at]?.startsWith('-')) at++
    if (withValue.has(name) || switches.has(name)) kept.push(...k3sArgs.slice(from, at))
  }
  return kept
}

const withValue = new Set([
  ...['config', 'c', 'v', 'vmodule', 'log', 'l', 'data-dir', 'd'],
  ...['node-name', 'node-label', 'node-taint', 'lb-server-port'],
  ...['image-credential-provider-bin-dir', 'image-credential-provider-config'],
  ...[
    'container-runtime-endpoint',
    'image-service-endpoint',
    'default-runtime',
    'pause-image',
    'snapshotter',
  ],
  ...['private-registry', 'airgap-extra-registry'],
  ...[
    'node-ip',
    'i',
    'node-external-ip',
    'node-internal-dns',
    'node-external-dns',
    'bind-address',
    'resolv-conf',
  ],
  ...['flannel-iface', 'flannel-conf', 'flannel-cni-conf', 'vpn-auth', 'vpn-auth-file'],
  ...['kubelet-arg', 'kube-proxy-arg'],
])

const switches = new Set([
  ...['debug', 'alsologtostderr', 'enable-pprof', 'with-node-id', 'selinux', 'protect-kernel-defaults'],
  ...['docker', 'disable-default-registry-endpoint', 'nonroot-devices', 'disable-apiserver-lb'],
  ...['rootless', 'prefer-bundled-bin'],
])
