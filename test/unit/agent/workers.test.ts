import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { serversOf } from '../../../src/agent/join.ts'
import {
  forgetWorkers,
  isThere,
  markGone,
  nodeAddress,
  nodeNetwork,
  readWorkers,
  withWorker,
  type Worker,
} from '../../../src/agent/workers.ts'
import { currentHost } from '../../../src/host/platform.ts'
import { instancePaths } from '../../../src/instance/paths.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'tcolima-workers-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

function machine(name: string, workers?: Worker[]) {
  const paths = instancePaths(home, name)
  mkdirSync(paths.folder)
  if (workers) writeFileSync(paths.workers, JSON.stringify(workers))
  return paths
}

describe('the numbers of the workers of a server', () => {
  it('are the lowest that are free, and stay', () => {
    const first = withWorker([], { name: 'a', node: 'n' })!
    expect(first.worker).toEqual({ name: 'a', node: 'n', number: 2 })
    const second = withWorker(first.workers, { name: 'b', node: 'n' })!
    expect(second.worker.number).toBe(3)
    expect(withWorker(second.workers, { name: 'a', node: 'n' })!.worker.number).toBe(2)
    const left = second.workers.filter(({ name }) => name !== 'a')
    expect(withWorker(left, { name: 'c', node: 'n' })!.worker.number).toBe(2)
    expect(nodeAddress(2)).toBe('10.41.0.2')
  })

  it('come back to one that had left', () => {
    const workers = [{ name: 'a', node: 'n', number: 4, gone: true as const }]
    expect(withWorker(workers, { name: 'a', node: 'n' })).toEqual({
      workers: [{ name: 'a', node: 'n', number: 4 }],
      worker: { name: 'a', node: 'n', number: 4 },
    })
  })

  it('end with the addresses', () => {
    const all = Array.from({ length: 253 }, (_, at) => ({ name: `w${at}`, node: 'n', number: at + 2 }))
    expect(withWorker(all, { name: 'one more', node: 'n' })).toBeUndefined()
    expect(withWorker(all, { name: 'w252', node: 'n' })?.worker.number).toBe(254)
  })
})

describe('the network of the nodes', () => {
  const context = (name: string) => ({
    home,
    paths: instancePaths(home, name),
    host: currentHost(),
    log: () => undefined,
  })

  it('leads from a worker to its server, and back, by the same two sockets', async () => {
    const worker = { name: 'w', node: 'n', number: 3 }
    machine('w')
    machine('default', [worker])
    const server = await nodeNetwork(context('default'), '', undefined)
    const own = await nodeNetwork(context('w'), 'default', { worker, address: '10.41.0.3' })
    expect(server).toMatchObject({ address: '10.41.0.1', links: [{ number: 3 }] })
    expect(own).toMatchObject({ address: '10.41.0.3', links: [{ number: 1 }] })
    const [there, back] = [server!.links[0]!, own!.links[0]!]
    expect([there.local, there.remote]).toEqual([back.remote, back.local])
    expect(path.dirname(there.local)).toBe(path.join(home, 'w'))
  })

  it('has other sockets for each server that a worker is or was a node of', async () => {
    const worker = { name: 'w', node: 'n', number: 3 }
    machine('w')
    for (const name of ['default', 'other']) machine(name, [worker])
    const ends = await Promise.all(
      ['default', 'other'].flatMap(async (name) => {
        const network = await nodeNetwork(context(name), '', undefined)
        return network!.links.flatMap(({ local, remote }) => [local, remote])
      }),
    )
    expect(new Set(ends.flat()).size).toBe(4)
  })

  it('has no link to a machine that is gone, and is none for one that was never a server', async () => {
    machine('default', [{ name: 'gone', node: 'n', number: 2 }])
    expect(await nodeNetwork(context('default'), '', undefined)).toEqual({ address: '10.41.0.1', links: [] })
    machine('alone')
    expect(await nodeNetwork(context('alone'), '', undefined)).toBeUndefined()
  })
})

it('a worker is found in the files of its servers, and forgotten there', async () => {
  const { workers } = machine('default', [
    { name: 'w', node: 'n', number: 2 },
    { name: 'v', node: 'n', number: 3 },
  ])
  machine('other', [])
  machine('w')
  expect(serversOf(home, 'w')).toEqual(['default'])
  await markGone(workers, 'w')
  expect(readWorkers(workers)!.map((each) => isThere(home, each))).toEqual([false, false])
  expect(serversOf(home, 'w')).toEqual([])
  await forgetWorkers(workers, ['w'])
  expect(readWorkers(workers)).toEqual([{ name: 'v', node: 'n', number: 3 }])
  expect(serversOf(home, 'w')).toEqual([])
  writeFileSync(workers, '{"half')
  expect(readWorkers(workers)).toBeUndefined()
})
