import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { comment, dns, hostPort, jumps, local, noHostPort, sync, web } from '../../fixtures/service-rules.ts'

const program = path.resolve(import.meta.dirname, '../../../guest/rootfs/usr/lib/tcolima/nat-ports')
const folder = mkdtempSync(path.join(tmpdir(), 'tcolima-services-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

// A network of its own with the addresses of a node: its card in QEMU's network, and the one among the nodes.
const own = ['-Urn', 'sh', '-ec']
const addresses = 'ip link set lo up; ip address add 10.0.2.15/24 dev lo; ip address add 10.41.0.1/24 dev lo'

// Both kinds of iptables that there are (iptables(8)): a guest has the first, unless its user changes that.
describe.each(['nft', 'legacy'])('real rules of iptables-%s', (kind) => {
  const tools = path.join(folder, kind)
  const possible =
    spawnSync('unshare', [...own, `${addresses}; iptables-${kind}-save -t nat`], { env: withSbin() })
      .status === 0
  beforeAll(() => {
    execFileSync('mkdir', [tools])
    for (const verb of ['save', 'restore']) {
      const from = ['/usr/sbin', '/sbin'].find((each) =>
        readdirSync(each).includes(`iptables-${kind}-${verb}`),
      )
      if (from !== undefined)
        symlinkSync(`${from}/iptables-${kind}-${verb}`, path.join(tools, `iptables-${verb}`))
    }
  })

  /** What is found after each of these inputs of iptables-restore, which is how kube-proxy writes; portmap's are appended. */
  function found(...steps: string[]): string[][] {
    const script = steps.map((step, at) => {
      const file = path.join(folder, `${kind}-${at}`)
      writeFileSync(file, step)
      return `iptables-restore --noflush <${file}; perl -W ${program}; echo --`
    })
    const said = execFileSync('unshare', [...own, `${addresses}; ${script.join('\n')}`], {
      encoding: 'utf8',
      env: { ...withSbin(), PATH: `${tools}:${withSbin().PATH}` },
    })
    return said
      .split('--\n')
      .slice(0, -1)
      .map((part) => part.split('\n').filter((line) => line !== ''))
  }

  test.skipIf(!possible)('a NodePort comes with its service, and goes with it', () => {
    expect(found(jumps + sync([]), sync([web]), sync([web, dns]), sync([]))).toEqual([
      [],
      [tcp(30_080)],
      [tcp(30_080), udp(30_053)],
      [],
    ])
  })

  test.skipIf(!possible)('one without endpoints is none', () => {
    expect(found(jumps + sync([web], { endpoints: false }))).toEqual([[]])
  })

  test.skipIf(!possible)(
    'externalTrafficPolicy Local: with a pod on this node, and with all pods on others',
    () => {
      const here = { external: [...local, '-A KUBE-EXT-WEB -j KUBE-SVL-WEB'] }
      expect(found(jumps + sync([web], here), sync([web], { external: local }))).toEqual([[tcp(30_080)], []])
    },
  )

  test.skipIf(!possible)(
    'a load balancer of k3s: hostPorts of its pods, and the addresses of the nodes',
    () => {
      const balanced = ['10.41.0.1', '10.41.0.2'].map(
        (node) =>
          `-A KUBE-SERVICES ${comment('default/web loadbalancer IP')} -m tcp -p tcp -d ${node} --dport 8000 -j KUBE-EXT-WEB`,
      )
      const steps = [
        sync([web, ...balanced]),
        hostPort('f00', 8000, '10.42.0.9:8000'),
        sync([]),
        noHostPort('f00'),
      ]
      expect(found(jumps, ...steps)).toEqual([
        [],
        [tcp(30_080), onNode(8000)],
        [tcp(8000), tcp(30_080), onNode(8000)],
        [tcp(8000)],
        [],
      ])
    },
  )
})

test.skipIf(spawnSync('unshare', [...own, 'iptables-nft-save'], { env: withSbin() }).status !== 0)(
  'the kernel tells of each such change',
  () => {
    const steps = [
      jumps + sync([]),
      sync([web]),
      sync([]),
      hostPort('f00', 80, '10.42.0.9:80'),
      noHostPort('f00'),
    ]
    const files = steps.map((step, at) => {
      const file = path.join(folder, `events-${at}`)
      writeFileSync(file, step)
      return file
    })
    // As the link's script does it.
    const script = `require '${program}'; socket(my $s, 16, 3, 12) or die; bind($s, pack('S x2 L L', 16, 0, 1 << 6)) or die;
      for my $file (@ARGV) {
        system("iptables-nft-restore --noflush <$file") and die; my $told = 0;
        while (defined recv($s, my $events, 65536, 0x40)) { $told ||= changes_published($events) }
        print "$told ";
      }`
    const said = execFileSync('unshare', ['-Urn', 'perl', '-e', script, ...files], {
      encoding: 'utf8',
      env: withSbin(),
    })
    expect(said).toBe('1 1 1 1 1 ')
  },
)

function withSbin(): NodeJS.ProcessEnv & { PATH: string } {
  return { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` }
}

const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
const tcp = (port: number) => `tcp 00000000 ${hex(port)} nat`
const udp = (port: number) => `udp 00000000 ${hex(port)} nat`
const onNode = (port: number) => `tcp 0100290A ${hex(port)} nat`
