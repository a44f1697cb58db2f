import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { PortChange, PortStatus } from '../../../src/agent/api.ts'
import {
  changesOf,
  parseOwners,
  type PortSources,
  watchPorts,
  withOwners,
} from '../../../src/agent/port-owners.ts'
import type { ForwardStatus } from '../../../src/portforward/forwards.ts'

const forward = (guestPort: number, more: Partial<ForwardStatus> = {}): ForwardStatus => ({
  proto: 'tcp',
  hostAddress: '0.0.0.0',
  hostPort: guestPort,
  via: 'hostfwd',
  guestAddress: '',
  guestPort,
  state: 'active',
  ...more,
})

describe('names', () => {
  const owners = parseOwners(
    [
      'tcp 00000000 0050 docker-proxy (7)',
      'tcp 0100007F 0051 nginx: worker (8)',
      'tcp 0200007F 0051 other (9)',
      'udp 00000000 0050 dnsmasq (10)',
      'tcp 00000000 0054 pasta.avx2 (12)',
      'nonsense',
      'tcp 00000000 0052',
      'tcp 00000000 0053 \u001b[31mred (11)',
      '',
    ].join('\n'),
  )
  const containers = [
    { proto: 'tcp' as const, port: 80, container: 'web' },
    { proto: 'tcp' as const, port: 81, container: 'other' },
    { proto: 'tcp' as const, port: 84, container: 'mine' },
    { proto: 'tcp' as const, port: 90, container: 'nat' },
  ]
  const holders = ['docker-proxy', 'pasta']
  const named = (port: ForwardStatus) => {
    const [{ process, container } = {} as PortStatus] = withOwners([port], owners, containers, holders)
    return [process, container]
  }

  test.each<[string, ForwardStatus, [string | undefined, string | undefined]]>([
    ['behind a proxy of the engine', forward(80), ['docker-proxy (7)', 'web']],
    ['behind one with more to its name', forward(84), ['pasta.avx2 (12)', 'mine']],
    ['UDP is another', forward(80, { proto: 'udp' }), ['dnsmasq (10)', undefined]],
    ['the process of that address', forward(81, { guestAddress: '127.0.0.2' }), ['other (9)', undefined]],
    ['and of the other one', forward(81, { guestAddress: '127.0.0.1' }), ['nginx: worker (8)', undefined]],
    ['published without a listener', forward(90), [undefined, 'nat']],
    ['nobody known', forward(91), [undefined, undefined]],
    ['the other way', forward(80, { reverse: true }), [undefined, undefined]],
    ['a socket', forward(0, { guestSocket: '/s' }), [undefined, undefined]],
  ])('%s', (_, port, expected) => expect(named(port)).toEqual(expected))

  test('what the guest says is made printable', () => {
    expect(named(forward(83))[0]).not.toContain('\u001b')
  })
})

test('changes', () => {
  const map = (...ports: PortStatus[]) => new Map(ports.map((port) => [String(port.guestPort), port]))
  const failed = forward(2, { state: 'failed', reason: 'taken' })
  expect(
    changesOf(map(forward(1), failed, forward(3)), map(failed, forward(3, { hostPort: 4 }), forward(5))),
  ).toEqual([
    { type: 'removed', port: forward(1) },
    { type: 'changed', port: forward(3, { hostPort: 4 }) },
    { type: 'added', port: forward(5) },
  ])
})

test('watching tells what there is and each change, without names when guest and engine give none', async () => {
  const forwards = new EventEmitter()
  let ports = [forward(1)]
  const stop = new AbortController()
  const sources = {
    machine: {
      ports: () => ports,
      forwards,
      reverse: new EventEmitter(),
      ssh: { get: () => Promise.reject(new Error('no SSH')) },
    },
    engine: { containerPorts: () => Promise.reject(new Error('no engine')) },
    socket: '',
  } as unknown as PortSources
  const told: PortChange[] = []
  const watching = watchPorts(sources, (change) => told.push(change), stop.signal)
  await expect.poll(() => told).toEqual([{ type: 'added', port: forward(1) }])
  ports = [forward(2)]
  forwards.emit('change')
  await expect.poll(() => told.slice(1).map(({ type }) => type)).toEqual(['removed', 'added'])
  stop.abort()
  await watching
  expect(forwards.listenerCount('change')).toBe(0)
})

test('the guest is asked as root, for its processes', async () => {
  const asked: string[] = []
  const stop = new AbortController()
  const exec = async (command: string) => {
    asked.push(command)
    const channel = new PassThrough()
    channel.end('tcp 00000000 0001 init (1)\n')
    return channel
  }
  const sources = {
    machine: {
      ports: () => [forward(1)],
      forwards: new EventEmitter(),
      reverse: new EventEmitter(),
      ssh: { get: async () => ({ exec }) },
    },
    engine: { containerPorts: async () => [] },
    socket: '',
  } as unknown as PortSources
  const told: PortChange[] = []
  const watching = watchPorts(sources, (change) => told.push(change), stop.signal)
  await expect.poll(() => told[0]?.port.process).toBe('init (1)')
  stop.abort()
  await watching
  expect(asked).toEqual(['sudo -n /usr/lib/tcolima/owners'])
})
