import { createServer, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type ClusterPort, clusterPort, withClusterRules } from '../../../src/agent/cluster-port.ts'
import { resolvePortForward } from '../../../src/config/port-forwards.ts'
import { destinationOf } from '../../../src/portforward/rules.ts'

const servers: Server[] = []
afterEach(() => servers.splice(0).forEach((server) => server.close()))

/** A port that is taken. */
async function taken(): Promise<number> {
  const server = createServer()
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

describe("the port of the host for a cluster's API", () => {
  it('is the one it had, when that is free', async () => {
    const port = await taken()
    servers.splice(0).forEach((server) => server.close())
    expect(await clusterPort(0, port)).toBe(port)
  })

  it('is another when that is taken', async () => {
    const port = await taken()
    expect(await clusterPort(0, port)).not.toBe(port)
  })

  it('is the wanted one or none', async () => {
    const port = await taken()
    await expect(clusterPort(port, undefined)).rejects.toThrow(String(port))
    servers.splice(0).forEach((server) => server.close())
    expect(await clusterPort(port, undefined)).toBe(port)
  })
})

describe('what appears of a cluster on the host', () => {
  const at = (
    port: number,
    address: string,
    user: object[] = [],
    own: ClusterPort = 7000,
    proto: 'tcp' | 'udp' = 'tcp',
  ) => {
    const rules = user.map((entry) => {
      const rule = resolvePortForward(entry, '/home/me')
      if (!rule.ok) throw new Error(rule.problem)
      return rule.value
    })
    const listener = { proto, family: 'ipv4' as const, address, port }
    return destinationOf(listener, withClusterRules(rules, own))
  }

  it.each([
    ['the API on the loopback only', 6443, '0.0.0.0', { hostIP: '127.0.0.1', hostPort: 7000 }],
    ['not the kubelet', 10_250, '0.0.0.0', undefined],
    ['not the proxy', 10_256, '::', undefined],
    ["not k3s's own balancer", 6444, '127.0.0.1', undefined],
    ['all else as without one', 30_080, '0.0.0.0', { hostIP: '0.0.0.0', hostPort: 30_080 }],
  ])('%s', (_what, port, address, place) => expect(at(port, address)).toEqual(place))

  it("the API also with a rule of the user's for all ports, the kubelet by it", () => {
    const rule = { guestIP: '0.0.0.0', guestPortRange: [1, 65_535], hostIP: '0.0.0.0' }
    expect(at(6443, '0.0.0.0', [rule])).toEqual({ hostIP: '127.0.0.1', hostPort: 7000 })
    expect(at(10_250, '0.0.0.0', [rule])).toEqual({ hostIP: '0.0.0.0', hostPort: 10_250 })
  })

  it('of a node of another machine: no API, no kubelet', () => {
    expect(at(10_250, '0.0.0.0', [], 'worker')).toBeUndefined()
    expect(at(6444, '127.0.0.1', [], 'worker')).toBeUndefined()
    expect(at(6443, '0.0.0.0', [], 'worker')).toEqual({ hostIP: '0.0.0.0', hostPort: 6443 })
  })

  it.each<ClusterPort>([7000, 'worker'])('not the network of pods between nodes (%s)', (own) => {
    expect(at(8472, '0.0.0.0', [], own, 'udp')).toBeUndefined()
  })

  it('is nothing without a cluster', () => expect(withClusterRules([], undefined)).toEqual([]))
})
