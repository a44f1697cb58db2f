import { readFileSync } from 'node:fs'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { instancePaths } from '../../src/instance/paths.ts'
import { endProcesses, eventually, tcolima, temporaryFolder, userEnv } from './harness.ts'
import { makeK3sMirror } from './k3s-mirror.ts'

const shared = inject('shared')
const server = 'node1'
const worker = 'node2'
const version = 'v1.33.0+k3s1'
const { folder, remove } = temporaryFolder()
const mirror = path.join(folder, 'mirror')
const env = userEnv(shared, { KUBECONFIG: path.join(folder, 'kubeconfig'), TCOLIMA_MIRROR: mirror })
const small = ['--memory', '1', '--disk', '5', '--mount', 'none']

const guest = async (profile: string, script: string) =>
  String((await tcolima(['ssh', profile, '--', 'sudo', 'bash', '-c', script])).stdout)
const kubectl = async (...args: string[]) =>
  await execa('kubectl', args, { env, extendEnv: false, reject: false, timeout: 60_000 })
const nodes = async () => {
  const { stdout, stderr } = await kubectl('get', '--raw', '/api/v1/nodes')
  expect(stderr).toBe('')
  return [...stdout.matchAll(/"name":"([^"]+)"/g)].map(([, name]) => name)
}
/** Agents of the stand-in tell the server that they are there every two seconds. */
const nodesBecome = async (expected: string[]) =>
  await eventually(async () => (isDeepStrictEqual(await nodes(), expected) ? true : undefined), 30_000)

beforeAll(async () => {
  await makeK3sMirror(mirror, version, 'rancher/stand-in:1')
  const cluster = ['--kubernetes', '--kubernetes-version', version]
  const started = await tcolima(['start', server, '--cpus', '2', ...small, ...cluster], { env })
  expect(started.exitCode, String(started.stderr)).toBe(0)
})

afterAll(async () => {
  for (const profile of [worker, server]) {
    await tcolima(['delete', profile, '--force', '--data'], { env })
    await endProcesses(shared.home, profile)
  }
  remove()
})

describe('a second machine in a cluster (k3s is a stand-in that only answers)', () => {
  it('is a node, over a network that the two have for themselves', async () => {
    const started = await tcolima(['start', worker, '--cpus', '1', ...small, '--kubernetes-join', server], {
      env,
    })
    expect(started.exitCode, String(started.stderr)).toBe(0)
    await nodesBecome([`tcolima-${server}`, `tcolima-${worker}`])
    expect((await kubectl('config', 'get-contexts', '-o', 'name')).stdout).toBe(`tcolima-${server}`)
    const words = (await guest(worker, 'cat /run/k3s-stand-in/arguments')).split('\n')
    expect(words[0]).toBe('agent')
    expect(words).toEqual(
      expect.arrayContaining([
        '--server=https://10.41.0.1:6443',
        '--node-ip=10.41.0.2',
        '--flannel-iface=eth1',
        '--docker',
      ]),
    )
    // Both ways, with as much as a packet of the network takes.
    const ping = (address: string) => `busybox ping -c 1 -W 10 -s 1400 ${address} >/dev/null && echo there`
    expect(await guest(worker, ping('10.41.0.1'))).toBe('there')
    expect(await guest(server, ping('10.41.0.2'))).toBe('there')
  })

  it('leaves with its k3s and comes back as the same', async () => {
    const stopped = await tcolima(['kubernetes', 'stop', '-p', worker], { env })
    expect(stopped.exitCode, String(stopped.stderr)).toBe(0)
    expect(await nodes()).toEqual([`tcolima-${server}`])
    const started = await tcolima(['kubernetes', 'start', '-p', worker], { env })
    expect(started.exitCode, String(started.stderr)).toBe(0)
    await nodesBecome([`tcolima-${server}`, `tcolima-${worker}`])
    expect(await guest(worker, 'cat /run/k3s-stand-in/arguments')).toContain('--node-ip=10.41.0.2')
  })

  it('leaves nothing when it is deleted', async () => {
    expect((await tcolima(['delete', worker, '--force', '--data'], { env })).exitCode).toBe(0)
    expect(await nodes()).toEqual([`tcolima-${server}`])
    expect(readFileSync(instancePaths(shared.home, server).workers, 'utf8')).toBe('[]\n')
  })
})
