import { EventEmitter } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ClusterWorld } from '../../../src/agent/cluster.ts'
import { admitWorker, dismissWorker } from '../../../src/agent/members.ts'
import type { Worker } from '../../../src/agent/workers.ts'
import type { ProgressEvent } from '../../../src/host/progress.ts'
import { currentHost } from '../../../src/host/platform.ts'
import { instancePaths, linkSockets } from '../../../src/instance/paths.ts'

let home: string
/** What QEMU and the guest, which are played, were told. */
let told: string[]
const access = { server: 's', certificateAuthority: 'a', clientCertificate: 'c', clientKey: 'k' }
const paths = () => instancePaths(home, 'default')
const workers = () => JSON.parse(readFileSync(paths().workers, 'utf8')) as Worker[]

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'tcolima-members-'))
  told = []
  for (const name of ['default', 'a', 'b']) mkdirSync(path.join(home, name))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

function channel(command: string) {
  const opened = Object.assign(new EventEmitter(), {
    stderr: new EventEmitter(),
    close: () => undefined,
    end: () => {
      told.push(command.replaceAll("'", '').replace('exec sudo /usr/lib/tcolima/', ''))
      opened.emit('data', Buffer.from(command.includes('token') ? 'K10::node:secret\n' : ''))
      opened.emit('exit', command.includes('broken') ? 1 : 0)
      opened.emit('close')
    },
  })
  return opened
}

function world(known: Worker[], kubernetes: object = {}): ClusterWorld {
  writeFileSync(paths().workers, JSON.stringify(known))
  const execute = async (command: string, { id }: { id: string }) => {
    told.push(`${command} ${id}`)
  }
  const machine = {
    qmp: { execute },
    ssh: { get: async () => ({ exec: async (command: string) => channel(command) }) },
  }
  const settings = { enabled: true, version: 'v1.33.0+k3s1', k3sArgs: [], port: 0, join: '', ...kubernetes }
  const given = {
    context: { home, paths: paths(), host: currentHost(), log: () => undefined },
    machine,
    record: {},
    state: { config: { kubernetes: settings } },
    report: () => undefined,
    signal: new AbortController().signal,
  }
  return given as unknown as ClusterWorld
}

describe('a cluster that has had workers (QEMU and the guest are played)', () => {
  it('lets one more in: a link, an address, and the token', async () => {
    const admission = await admitWorker(
      world([{ name: 'a', node: 'tcolima-a', number: 2 }]),
      { cluster: access },
      { worker: { name: 'b', node: 'tcolima-b' } },
    )
    expect(admission).toEqual({
      worker: { name: 'b', node: 'tcolima-b', number: 3 },
      address: '10.41.0.3',
      server: '10.41.0.1',
      token: 'K10::node:secret',
      access,
      version: 'v1.33.0+k3s1',
    })
    expect(workers()).toEqual([
      { name: 'a', node: 'tcolima-a', number: 2 },
      { name: 'b', node: 'tcolima-b', number: 3 },
    ])
    expect(told).toEqual([
      'netdev_del port3',
      'netdev_del link3',
      'netdev_add link3',
      'netdev_add port3',
      'kubernetes token',
    ])
  })

  it('takes the nodes of those away that left meanwhile', async () => {
    const known = [
      { name: 'deleted', node: 'tcolima-deleted', number: 2 },
      { name: 'a', node: 'tcolima-a', number: 3, gone: true as const },
    ]
    await admitWorker(world(known), { cluster: access }, { worker: { name: 'b', node: 'tcolima-b' } })
    expect(told.slice(0, 2)).toEqual(['kubernetes remove tcolima-deleted', 'kubernetes remove tcolima-a'])
    expect(workers()).toEqual([{ name: 'b', node: 'tcolima-b', number: 2 }])
  })

  it('has one that left, and comes again, begin anew', async () => {
    const known = [{ name: 'a', node: 'tcolima-a', number: 2, gone: true as const }]
    await admitWorker(world(known), { cluster: access }, { worker: { name: 'a', node: 'tcolima-a' } })
    expect(told[0]).toBe('kubernetes remove tcolima-a')
    expect(workers()).toEqual([{ name: 'a', node: 'tcolima-a', number: 2 }])
  })

  it.each([
    ['its own node', 'TCOLIMA', 'tcolima is that already'],
    ['another worker', 'tcolima-a', 'tcolima-a is that already'],
  ])('lets nobody in under the name of %s', async (_whose, node, why) => {
    const known = [{ name: 'a', node: 'tcolima-a', number: 2 }]
    await expect(
      admitWorker(world(known), { cluster: access }, { worker: { name: 'b', node } }),
    ).rejects.toMatchObject({ code: 'config', message: expect.stringContaining(why) as string })
    expect([told, workers()]).toEqual([[], known])
  })

  it('takes no node away that is its own, or that of one that stays', async () => {
    const known = [
      { name: 'x', node: 'tcolima', number: 2 },
      { name: 'y', node: 'tcolima-a', number: 3 },
      { name: 'a', node: 'tcolima-a', number: 4 },
    ]
    await admitWorker(world(known), { cluster: access }, { worker: { name: 'b', node: 'tcolima-b' } })
    await dismissWorker(world([{ name: 'x', node: 'tcolima', number: 2 }]), 'x', true)
    expect(told.filter((each) => each.includes('remove'))).toEqual([])
    expect(workers()).toEqual([])
  })

  it('keeps one that left in mind while its node cannot be taken away, and says so', async () => {
    const known = [{ name: 'broken', node: 'tcolima-broken', number: 2 }]
    const given = world(known)
    const events: ProgressEvent[] = []
    given.report = (event) => events.push(event)
    await admitWorker(given, { cluster: access }, { worker: { name: 'b', node: 'tcolima-b' } })
    expect(workers()).toEqual([...known, { name: 'b', node: 'tcolima-b', number: 3 }])
    expect(events).toContainEqual({
      type: 'warning',
      text: expect.stringContaining('its node tcolima-broken is still there') as string,
    })
  })

  it('lets nobody in that has none, or is a node itself', async () => {
    for (const kubernetes of [{ enabled: false }, { join: 'other' }]) {
      await expect(
        admitWorker(world([], kubernetes), {}, { worker: { name: 'a', node: 'a' } }),
      ).rejects.toMatchObject({
        code: 'not-running',
      })
    }
    expect(told).toEqual([])
  })

  it('lets one go until it comes again, or for good', async () => {
    const given = world([{ name: 'a', node: 'tcolima-a', number: 2 }])
    await dismissWorker(given, 'a', false)
    expect([told.splice(0), workers()]).toEqual([
      ['kubernetes remove tcolima-a'],
      [{ name: 'a', node: 'tcolima-a', number: 2 }],
    ])
    await dismissWorker(given, 'a', true)
    expect([told.splice(0), workers()]).toEqual([
      ['kubernetes remove tcolima-a', 'netdev_del port2', 'netdev_del link2'],
      [],
    ])
    await dismissWorker(given, 'nobody', true)
    expect(told).toEqual([])
  })

  it('takes its own socket from the folder of one that leaves, and not that of another server', async () => {
    const [own, others] = ['default', 'b'].map((server) => path.join(home, 'a', linkSockets(server).server))
    for (const each of [own!, others!]) writeFileSync(each, '')
    await dismissWorker(world([{ name: 'a', node: 'tcolima-a', number: 2 }]), 'a', true)
    expect([existsSync(own!), existsSync(others!)]).toEqual([false, true])
  })

  it('that does not run just then remembers who left', async () => {
    await dismissWorker(world([{ name: 'a', node: 'tcolima-a', number: 2 }], { enabled: false }), 'a', true)
    expect(workers()).toEqual([{ name: 'a', node: 'tcolima-a', number: 2, gone: true }])
  })
})
