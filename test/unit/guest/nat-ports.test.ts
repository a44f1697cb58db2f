import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const program = path.resolve(import.meta.dirname, '../../../guest/rootfs/usr/lib/tcolima/nat-ports')
const folder = mkdtempSync(path.join(tmpdir(), 'tcolima-nat-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

// Of a guest, shortened: its card, its loopback, docker's bridge.
const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     +-- 10.0.2.0/24 2 0 2
              |-- 10.0.2.0
                 /24 link UNICAST
              |-- 10.0.2.15
                 /32 host LOCAL
           |-- 10.0.2.255
              /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
           |-- 172.17.0.1
              /32 host LOCAL
`

/** What the program finds in the rules of a nat table of iptables', without their table around them, and in a text of nft's. */
function found(rules: string, nft = ''): string[] {
  writeFileSync(path.join(folder, 'fib_trie'), trie)
  writeFileSync(path.join(folder, 'rules'), `*nat\n:PREROUTING ACCEPT [0:0]\n${rules.trim()}\nCOMMIT\n${nft}`)
  const said = execFileSync(
    'perl',
    ['-W', program, path.join(folder, 'rules'), path.join(folder, 'fib_trie')],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  return said.split('\n').slice(0, -1)
}

const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
const everywhere = (port: number, proto = 'tcp') => `${proto} 00000000 ${hex(port)} nat`
const loopback = (port: number, proto = 'tcp') => `${proto} 0100007F ${hex(port)} nat`
const onCard = (port: number, proto = 'tcp') => `${proto} 0F02000A ${hex(port)} nat`

describe('docker', () => {
  test('leaves its rules to its listeners, which come and go with them', () => {
    expect(
      found(`
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 8081 -j DNAT --to-destination 172.17.0.2:81
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80`),
    ).toEqual([])
  })
})

describe('portmap of CNI', () => {
  const head = `
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000`

  test('a port, several, UDP', () => {
    expect(
      found(`${head}
-A CNI-DN-9e1f -s 10.4.0.0/24 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-9e1f -s 127.0.0.1/32 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-9e1f -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.4.0.5:80
-A CNI-DN-9e1f -p tcp -m tcp --dport 8443 -j DNAT --to-destination 10.4.0.5:443
-A CNI-DN-9e1f -p udp -m udp --dport 5300 -j DNAT --to-destination 10.4.0.5:53
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"bridge\\" id: \\"default-9e1f\\"" -m multiport --dports 8080,8443 -j CNI-DN-9e1f
-A CNI-HOSTPORT-DNAT -p udp -m comment --comment "dnat name: \\"bridge\\" id: \\"default-9e1f\\"" -m multiport --dports 5300 -j CNI-DN-9e1f`),
    ).toEqual([everywhere(8080), everywhere(8443), everywhere(5300, 'udp')])
  })

  test('on the loopback, and on an address of the guest; one of somebody else is none', () => {
    expect(
      found(`${head}
-A CNI-DN-1 -d 127.0.0.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.4.0.5:80
-A CNI-DN-1 -d 10.0.2.15/32 -p udp -m udp --dport 8081 -j DNAT --to-destination 10.4.0.5:81
-A CNI-DN-1 -d 192.0.2.7/32 -p tcp -m tcp --dport 8082 -j DNAT --to-destination 10.4.0.5:82
-A CNI-HOSTPORT-DNAT -p tcp -m multiport --dports 8080,8082 -j CNI-DN-1
-A CNI-HOSTPORT-DNAT -p udp -m multiport --dports 8081 -j CNI-DN-1`),
    ).toEqual([loopback(8080), onCard(8081, 'udp')])
  })

  test('a rule for other ports than lead to it, or another protocol, is not reached', () => {
    expect(
      found(`${head}
-A CNI-DN-1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.4.0.5:80
-A CNI-DN-1 -p tcp -m tcp --dport 9999 -j DNAT --to-destination 10.4.0.5:80
-A CNI-DN-1 -p udp -m udp --dport 8080 -j DNAT --to-destination 10.4.0.5:80
-A CNI-DN-2 -p tcp -m tcp --dport 7777 -j DNAT --to-destination 10.4.0.6:80
-A CNI-HOSTPORT-DNAT -p tcp -m multiport --dports 8080 -j CNI-DN-1`),
    ).toEqual([everywhere(8080)])
  })
})

describe('kube-proxy', () => {
  const head = `
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-SERVICES -d 10.43.0.1/32 -p tcp -m comment --comment "default/kubernetes:https cluster IP" -m tcp --dport 443 -j KUBE-SVC-API
-A KUBE-SERVICES -d 10.43.7.7/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-WEB
-A KUBE-SVC-API ! -s 10.42.0.0/16 -d 10.43.0.1/32 -p tcp -m comment --comment "default/kubernetes:https cluster IP" -m tcp --dport 443 -j KUBE-MARK-MASQ
-A KUBE-SVC-API -m comment --comment "default/kubernetes:https -> 10.0.2.15:6443" -j KUBE-SEP-API
-A KUBE-SEP-API -s 10.0.2.15/32 -m comment --comment "default/kubernetes:https" -j KUBE-MARK-MASQ
-A KUBE-SEP-API -p tcp -m comment --comment "default/kubernetes:https" -m tcp -j DNAT --to-destination 10.0.2.15:6443
-A KUBE-EXT-WEB -m comment --comment "masquerade traffic for default/web external destinations" -j KUBE-MARK-MASQ
-A KUBE-EXT-WEB -j KUBE-SVC-WEB
-A KUBE-SVC-WEB ! -s 10.42.0.0/16 -d 10.43.7.7/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SVC-WEB -m comment --comment "default/web -> 10.42.0.8:8000" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-ONE
-A KUBE-SVC-WEB -m comment --comment "default/web -> 10.42.0.9:8000" -j KUBE-SEP-TWO
-A KUBE-SEP-ONE -s 10.42.0.8/32 -m comment --comment "default/web" -j KUBE-MARK-MASQ
-A KUBE-SEP-ONE -p tcp -m comment --comment "default/web" -m tcp -j DNAT --to-destination 10.42.0.8:8000
-A KUBE-SEP-TWO -p tcp -m comment --comment "default/web" -m tcp -j DNAT --to-destination 10.42.0.9:8000`
  const nodePorts =
    '-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS'

  test('addresses of the cluster are none of the guest', () => {
    expect(found(head)).toEqual([])
  })

  test('a NodePort', () => {
    expect(
      found(`${head}
${nodePorts}
-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web" -m tcp --dport 30080 -j KUBE-EXT-WEB`),
    ).toEqual([everywhere(30_080)])
  })

  test('a NodePort as newer ones write it, with a rule that counts those of the loopback', () => {
    expect(
      found(`${head}
${nodePorts}
-A KUBE-NODEPORTS -d 127.0.0.0/8 -p tcp -m comment --comment "default/web" -m tcp --dport 30080 -m nfacct --nfacct-name localhost_nps_accepted_pkts -j KUBE-EXT-WEB
-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web" -m tcp --dport 30080 -j KUBE-EXT-WEB`),
    ).toEqual([everywhere(30_080), loopback(30_080)])
  })

  test('an external address counts when it is the guest’s own', () => {
    expect(
      found(`${head}
-A KUBE-SERVICES -d 203.0.113.9/32 -p tcp -m comment --comment "default/web external IP" -m tcp --dport 8000 -j KUBE-EXT-WEB
-A KUBE-SERVICES -d 10.0.2.15/32 -p tcp -m comment --comment "default/web loadbalancer IP" -m tcp --dport 80 -j KUBE-EXT-WEB
${nodePorts}`),
    ).toEqual([onCard(80)])
  })

  test("k3s: the load balancer's pods have hostPorts", () => {
    expect(
      found(`${head}
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A CNI-DN-f00 -s 10.42.0.0/24 -p tcp -m tcp --dport 80 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-f00 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.42.0.7:80
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"cbr0\\" id: \\"f00\\"" -m multiport --dports 80 -j CNI-DN-f00
-A KUBE-SERVICES -d 10.0.2.15/32 -p tcp -m comment --comment "kube-system/traefik:web loadbalancer IP" -m tcp --dport 80 -j KUBE-EXT-WEB
${nodePorts}`),
    ).toEqual([everywhere(80), onCard(80)])
  })
})

describe('nft', () => {
  // Netavark 1.14, shortened; beside what iptables has in nft.
  const netavark = (
    published: string,
    reached: string,
  ) => `# Warning: table ip nat is managed by iptables-nft, do not touch!
table ip nat {
	chain PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 9999 dnat to 10.0.2.15:62053
	}
}
table inet netavark {
	chain INPUT {
		type filter hook input priority filter; policy accept;
		ip saddr 10.88.0.0/16 meta l4proto { tcp, udp } th dport 53 accept
	}
	chain POSTROUTING {
		type nat hook postrouting priority srcnat; policy accept;
		meta mark & 0x00002000 == 0x00002000 masquerade
		ip saddr 10.88.0.0/16 jump nv_2f_10_88_0_0_nm16
	}
	chain PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local jump NETAVARK-HOSTPORT-DNAT
	}
	chain OUTPUT {
		type nat hook output priority dstnat; policy accept;
		fib daddr type local jump NETAVARK-HOSTPORT-DNAT
	}
	chain NETAVARK-HOSTPORT-DNAT {
${published}
	}
	chain NETAVARK-HOSTPORT-SETMARK {
		meta mark set meta mark | 0x00002000
	}
	chain nv_2f_10_88_0_0_nm16_dnat {
${reached}
	}
}
table inet maps {
	chain none {
		tcp dport 6666 accept
	}
	map doors {
		type inet_service : verdict
		elements = { 5555 : jump open, 4444 : jump open }
	}
	chain open {
		tcp dport { 4444, 5555, 6666 } dnat ip to 10.9.0.3
	}
	chain PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		jump none
	}
}
table ip6 other {
	chain PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 7777 dnat to [fd00::2]:80
	}
}
`
  const to = 'jump nv_2f_10_88_0_0_nm16_dnat'

  test('the ports of podman', () => {
    const ports = (proto: string, port: number, address = '') => `
		ip saddr 10.88.0.0/16 ${address}${proto} dport ${port} jump NETAVARK-HOSTPORT-SETMARK
		ip saddr 127.0.0.1 ${address}${proto} dport ${port} jump NETAVARK-HOSTPORT-SETMARK
		${address}${proto} dport ${port} dnat ip to 10.88.0.2:80`
    const text = netavark(
      `		tcp dport 18182 ${to}\n		udp dport 5300 ${to}\n		ip daddr 127.0.0.1 tcp dport 8081 ${to}`,
      ports('tcp', 18_182) +
        ports('udp', 5300) +
        ports('tcp', 8081, 'ip daddr 127.0.0.1 ') +
        ports('tcp', 8082),
    )
    expect(found('', text)).toEqual([everywhere(18_182), loopback(8081), everywhere(5300, 'udp')])
    expect(found('-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080', text)).toEqual([
      everywhere(80),
      everywhere(18_182),
      loopback(8081),
      everywhere(5300, 'udp'),
    ])
  })

  test.each<[string, string, string[]]>([
    [
      'a range',
      'tcp dport 8000-8002 dnat ip to 10.9.0.2',
      [8000, 8001, 8002].map((port) => everywhere(port)),
    ],
    ['a set', 'tcp dport { 81, 8000-8001 } dnat ip to 10.9.0.2', [81, 8000, 8001].map((p) => everywhere(p))],
    ['a set of protocols', 'meta l4proto { tcp, udp } th dport 80 dnat ip to 10.9.0.2', []],
    ['one protocol', 'meta l4proto udp th dport 80 dnat ip to 10.9.0.2', [everywhere(80, 'udp')]],
    ['a redirection', 'tcp dport 80 counter packets 1 bytes 2 redirect to :8080', [everywhere(80)]],
    ['with a remark', 'tcp dport 80 dnat ip to 10.9.0.2 comment "tcp dport 81 accept"', [everywhere(80)]],
    ['all but a port', 'tcp dport != 22 dnat ip to 10.9.0.2', []],
    ['from somebody else', 'ip saddr 10.4.0.0/24 tcp dport 80 dnat ip to 10.9.0.2', []],
    ['from all but', 'ip saddr != 10.4.0.0/24 tcp dport 80 dnat ip to 10.9.0.2', [everywhere(80)]],
    ['from a bridge', 'iifname "br0" tcp dport 80 dnat ip to 10.9.0.2', []],
    ['not from a bridge', 'iifname != "br0" tcp dport 80 dnat ip to 10.9.0.2', [everywhere(80)]],
    ['from the card', 'iifname "eth0" tcp dport 80 dnat ip to 10.9.0.2', [everywhere(80)]],
    ['to an address', 'ip daddr 10.0.2.15 tcp dport 80 dnat ip to 10.9.0.2', [onCard(80)]],
    ['to IPv6', 'tcp dport 80 dnat ip6 to [fd00::2]:80', []],
    ['of IPv6', 'ip6 daddr fd00::1 tcp dport 80 dnat ip to 10.9.0.2', []],
    ['no verdict', 'tcp dport 80 counter packets 0 bytes 0', []],
    ['after all have left', 'return\n\t\ttcp dport 80 dnat ip to 10.9.0.2', []],
    ['by a map', 'dnat ip to tcp dport map { 80 : 10.9.0.2 }', []],
  ])('%s', (_name, rule, ports) => {
    expect(found('', netavark(`\t\t${rule}`, '')).toSorted()).toEqual(ports.toSorted())
  })
})

describe('rules by hand', () => {
  test.each<[string, string, string[]]>([
    [
      'a range',
      '-p tcp -m tcp --dport 8000:8002 -j DNAT --to-destination 10.9.0.2',
      [8000, 8001, 8002].map((port) => everywhere(port)),
    ],
    [
      'of several',
      '-p tcp -m multiport --dports 81,8000:8001 -j DNAT --to-destination 10.9.0.2',
      [everywhere(81), ...[8000, 8001].map((port) => everywhere(port))].sort(),
    ],
    ['a redirection', '-p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080', [everywhere(80)]],
    ['all of a protocol', '-p tcp -j DNAT --to-destination 10.9.0.2', []],
    ['nearly all ports', '-p tcp -m tcp --dport 1024:65535 -j DNAT --to-destination 10.9.0.2', []],
    ['all but a port', '-p tcp -m tcp ! --dport 22 -j DNAT --to-destination 10.9.0.2', []],
    ['from somebody else', '-s 10.4.0.0/24 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.9.0.2', []],
    ['from a bridge', '-i br0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.9.0.2', []],
    ['from the card', '-i eth0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.9.0.2', [everywhere(80)]],
    [
      'to others',
      '-m addrtype ! --dst-type LOCAL -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.9.0.2',
      [],
    ],
    ['another protocol', '-p sctp -m sctp --dport 80 -j DNAT --to-destination 10.9.0.2', []],
    ['a network', '-d 10.0.2.0/24 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.9.0.2', [onCard(80)]],
    ['a target that is none', '-p tcp -m tcp --dport 80 -j LOG', []],
    ['no target', '-p tcp -m tcp --dport 80', []],
    ['nonsense', '-p tcp -m tcp --dport x:y -j DNAT --to-destination 10.9.0.2', []],
  ])('%s', (_name, rule, ports) => {
    expect(found(`-A PREROUTING ${rule}`)).toEqual(ports)
  })

  test('what only leaves the guest publishes nothing but on the loopback', () => {
    expect(
      found(`
-A OUTPUT -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.9.0.2
-A OUTPUT -d 10.0.2.15/32 -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.9.0.2
-A OUTPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 82 -j DNAT --to-destination 10.9.0.2
-A OUTPUT -d 127.0.0.53/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.9.0.2
-A OUTPUT ! -d 127.0.0.0/8 -j MINE
-A MINE -d 127.0.0.1/32 -p tcp -m tcp --dport 83 -j DNAT --to-destination 10.9.0.2`),
    ).toEqual([loopback(82), 'udp 3500007F 0035 nat'])
  })

  test('what comes after all have left the chain does not count; jumps in a circle end', () => {
    expect(
      found(`
-A PREROUTING -j ONE
-A ONE -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.9.0.2
-A ONE -j TWO
-A ONE -m comment --comment "all" -j RETURN
-A ONE -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.9.0.2
-A TWO -j ONE`),
    ).toEqual([everywhere(80)])
  })

  test('only the table nat, and an empty text', () => {
    expect(
      found('COMMIT\n*filter\n-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.9.0.2'),
    ).toEqual([])
    expect(found('')).toEqual([])
  })
})

describe('the kernel’s messages of changed rules', () => {
  // struct nlmsghdr and nfgenmsg; attributes 1, the table, and 2, the chain; padded to four bytes.
  const message = (table: string, chain: string) => {
    const attribute = (type: number, text: string) => {
      const value = Buffer.from(`${text}\0`)
      const head = Buffer.alloc(4)
      head.writeUInt16LE(value.length + 4, 0)
      head.writeUInt16LE(type, 2)
      return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)])
    }
    return Buffer.concat([Buffer.alloc(20, 7), attribute(1, table), attribute(2, chain)])
  }
  test.each<[string, Buffer, string]>([
    ['another chain', message('nat', 'KUBE-NODEPORTS'), '1'],
    ["docker's", message('nat', 'DOCKER'), '0'],
    ['what only leaves', message('nat', 'POSTROUTING'), '0'],
    ['another table', message('filter', 'FORWARD'), '0'],
    ["podman's", message('netavark', 'NETAVARK-HOSTPORT-DNAT'), '1'],
    ['several', Buffer.concat([message('nat', 'DOCKER'), message('nat', 'PREROUTING')]), '1'],
    ['none', Buffer.alloc(0), '0'],
  ])('%s', (_name, bytes, answer) => {
    const script = `require '${program}'; print changes_published(pack 'H*', shift)`
    expect(execFileSync('perl', ['-e', script, bytes.toString('hex')], { encoding: 'utf8' })).toBe(answer)
  })
})
