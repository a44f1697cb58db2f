import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { GuestState } from '../../../src/agent/guest-state.ts'
import { addMount, type LiveMounts, mountMessages, removeMount } from '../../../src/agent/live-mounts.ts'
import type { AgentContext } from '../../../src/agent/context.ts'
import type { MountSpec } from '../../../src/config/mounts.ts'
import type { GuestMessage, HostMessage } from '../../../src/guest/protocol.ts'
import { instancePaths } from '../../../src/instance/paths.ts'
import { type InstanceState, readState } from '../../../src/instance/state.ts'
import type { Qmp, QmpEvent } from '../../../src/vm/qmp.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'tcolima-live-'))
})
afterEach(() => rmSync(home, { recursive: true }))

const spec = (mountPoint: string, location = mountPoint): MountSpec => ({
  location,
  mountPoint,
  writable: true,
})

/** A QEMU that has ports, as far as mounts need it. */
function qemu() {
  const devices = new Set<string>(['port-mount0'])
  const chardevs = new Set<string>(['mount0'])
  const listeners = new Set<(event: QmpEvent) => void>()
  const execute = async (command: string, args: Record<string, unknown> = {}) => {
    const id = String(args.id)
    switch (command) {
      case 'qom-list':
        return [...devices].map((name) => ({ name }))
      case 'query-chardev':
        return [...chardevs].map((label) => ({ label }))
      case 'chardev-add':
        return chardevs.add(id)
      case 'device_add':
        return devices.add(id)
      case 'device_del':
        devices.delete(id)
        for (const listener of listeners) listener({ event: 'DEVICE_DELETED', data: { device: id } })
        return {}
      case 'chardev-remove':
        if (devices.has(`port-${id}`)) throw new Error('QEMU: the chardev is busy')
        return chardevs.delete(id)
      default:
        throw new Error(`QEMU knows no ${command}`)
    }
  }
  const qmp = {
    execute,
    on: (_name: string, listener: (event: QmpEvent) => void) => listeners.add(listener),
    off: (_name: string, listener: (event: QmpEvent) => void) => listeners.delete(listener),
  } as unknown as Qmp
  return { qmp, devices, chardevs }
}

/** A machine with one mount, /a; `answer` is what its guest says to a message. */
function machine(
  answer: (message: HostMessage) => GuestMessage | undefined,
  config = 'mounts:\n  - location: /a # first\n',
) {
  const paths = instancePaths(home, 'p')
  const { qmp, devices, chardevs } = qemu()
  const guest = new GuestState()
  const told: HostMessage[] = []
  const served = new Map<number, string>([[0, '/a']])
  const over = new Set<number>()
  const state = {
    version: 1,
    config: { mountType: 'sshfs', mounts: [spec('/a')] },
    qemu: { pid: 1, started: '' },
    mounts: [{ ...spec('/a'), index: 0 }],
    sockets: { qmp: '', guestLink: '', mounts: [path.join(home, '0.sock')] },
  } as unknown as InstanceState
  const live: LiveMounts = {
    context: {
      home,
      paths: {
        ...paths,
        folder: home,
        config: path.join(home, 'tcolima.yaml'),
        state: path.join(home, 'state.json'),
      },
      host: { platform: 'linux', uid: 1000, home: '/home/ann' },
      log: () => undefined,
    } as unknown as AgentContext,
    machine: {
      qmp,
      guest,
      mounts: {
        add: (mount: { index: number; location: string }, socket: string | null) => {
          served.set(mount.index, mount.location)
          if (socket === null) over.add(mount.index)
        },
        remove: async (index: number) => served.delete(index),
      } as unknown as LiveMounts['machine']['mounts'],
      tell: (message) => {
        told.push(message)
        const reply = answer(message)
        if (reply) queueMicrotask(() => guest.take(reply))
      },
    },
    state,
    signal: new AbortController().signal,
    ended: new AbortController().signal,
  }
  writeFileSync(path.join(home, 'tcolima.yaml'), config)
  return { live, devices, chardevs, told, served, over, state, file: path.join(home, 'tcolima.yaml') }
}

const willing = (message: HostMessage): GuestMessage | undefined => {
  if (message.type === 'mount') return { type: 'mount', index: message.index, state: 'mounted', detail: '' }
  return message.type === 'unmount' ? { type: 'unmounted', index: message.index, problem: '' } : undefined
}

describe('addMount', () => {
  test('gives it a port of its own, serves it, and tells whoever comes after', async () => {
    const { live, devices, told, served, state, file } = machine(willing)
    await addMount(live, spec('/b', '/src'), false)
    expect([...devices]).toEqual(['port-mount0', 'port-mount1'])
    expect(served.get(1)).toBe('/src')
    expect(told).toMatchObject([{ type: 'mount', index: 1, path: '2f62' }])
    expect(readState(live.context.paths.state)?.mounts.map((each) => each.mountPoint)).toEqual(['/a', '/b'])
    expect(state.sockets.mounts[1]).toBe(path.join(home, 'mount.1.sock'))
    // Not saved: neither the file nor the settings know it.
    expect(state.config.mounts).toEqual([spec('/a')])
    expect(readFileSync(file, 'utf8')).not.toContain('/src')
  })

  test('saved: the file and the settings have it, and comments stay', async () => {
    const { live, state, file } = machine(willing)
    await addMount(live, spec('/a/in'), true)
    expect(state.config.mounts.map((each) => each.mountPoint)).toEqual(['/a', '/a/in'])
    expect(readFileSync(file, 'utf8')).toBe(
      'mounts:\n  - location: /a # first\n  - location: /a/in\n    writable: true\n',
    )
  })

  test('what the guest could not mount leaves nothing', async () => {
    const { live, devices, chardevs, served, state, file } = machine((message) =>
      message.type === 'mount'
        ? { type: 'mount', index: message.index, state: 'failed', detail: 'sshfs says no' }
        : willing(message),
    )
    await expect(addMount(live, spec('/b'), true)).rejects.toThrow('/b could not be mounted: sshfs says no')
    expect([[...devices], [...chardevs], [...served.keys()]]).toEqual([['port-mount0'], ['mount0'], [0]])
    expect(state.mounts).toHaveLength(1)
    expect(readFileSync(file, 'utf8')).not.toContain('/b')
  })

  test('a client that goes away takes it back', async () => {
    const stop = new AbortController()
    const { live, devices } = machine((message) => (message.type === 'mount' ? undefined : willing(message)))
    const adding = addMount({ ...live, signal: stop.signal }, spec('/b'), false)
    setImmediate(() => stop.abort(new Error('gone')))
    await expect(adding).rejects.toThrow('gone')
    expect([...devices]).toEqual(['port-mount0'])
  })

  test('a machine that ends is not waited for', async () => {
    const ended = new AbortController()
    const { live } = machine(() => undefined)
    const adding = addMount({ ...live, ended: ended.signal }, spec('/b'), false)
    setImmediate(() => ended.abort(new Error('QEMU ended')))
    await expect(adding).rejects.toThrow('QEMU ended')
  })

  test.each<[string, MountSpec, Partial<InstanceState['config']>, string]>([
    ['a place that is taken', spec('/a', '/x'), {}, '/a is the place of another mount'],
    ['a place around a mount', spec('/', '/x'), {}, ''],
    ['another type', spec('/b'), { mountType: '9p' }, 'mounts of type 9p change only at a start'],
  ])('refuses %s', async (_, mount, config, message) => {
    const { live, state, devices } = machine(willing)
    Object.assign(state.config, config)
    state.mounts[0]!.mountPoint = mount.mountPoint === '/' ? '/b/c' : '/a'
    const wanted = mount.mountPoint === '/' ? spec('/b') : mount
    await expect(addMount(live, wanted, false)).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining(message || '/b/c is mounted within /b'),
    })
    expect(devices.size).toBe(1)
  })

  test('beyond the ports it goes over SSH; its number is given again like others', async () => {
    const { live, state, served, devices, over } = machine(willing)
    state.mounts = Array.from({ length: 14 }, (_, index) => ({ ...spec(`/m${index}`), index }))
    await addMount(live, spec('/b'), false)
    await addMount(live, spec('/c'), false)
    expect([served.get(14), served.get(15)]).toEqual(['/b', '/c'])
    expect([...over]).toEqual([14, 15])
    expect(devices.size).toBe(1)
    expect(readState(live.context.paths.state)?.sockets.mounts.slice(14)).toEqual([null, null])
    await removeMount(live, '/b', { force: false, save: false })
    // A guest that boots anew is told that this one is gone.
    expect(mountMessages(state)).toContainEqual({ type: 'unmount', index: 14, force: true })
    await addMount(live, spec('/d'), false)
    expect(served.get(14)).toBe('/d')
  })
})

describe('removeMount', () => {
  test('unmounts, then takes the port away; its number is free again', async () => {
    const { live, devices, chardevs, served, state } = machine(willing)
    await addMount(live, spec('/b'), false)
    await removeMount(live, '/a', { force: false, save: false })
    expect([[...devices], [...chardevs], [...served.keys()]]).toEqual([['port-mount1'], ['mount1'], [1]])
    expect(readState(live.context.paths.state)?.mounts.map((each) => each.mountPoint)).toEqual(['/b'])
    await addMount(live, spec('/c'), false)
    expect(state.mounts.map(({ index, mountPoint }) => [index, mountPoint])).toEqual([
      [1, '/b'],
      [0, '/c'],
    ])
  })

  test('one that is in use stays, and who uses it is told', async () => {
    const { live, devices, served, state } = machine((message) =>
      message.type === 'unmount' && !message.force
        ? { type: 'unmounted', index: message.index, problem: 'it is in use by bash (process 7)' }
        : willing(message),
    )
    await expect(removeMount(live, '/a', { force: false, save: true })).rejects.toMatchObject({
      code: 'busy',
      message: '/a cannot be unmounted: it is in use by bash (process 7)',
      hint: expect.stringContaining('--force'),
    })
    expect([devices.size, served.size, state.mounts.length]).toEqual([1, 1, 1])
    await removeMount(live, '/a', { force: true, save: false })
    expect([devices.size, served.size, state.mounts.length]).toEqual([0, 0, 0])
  })

  test('saved: gone from the file and the settings', async () => {
    const { live, state, file } = machine(willing)
    await removeMount(live, '/a', { force: false, save: true })
    expect([state.config.mounts, readFileSync(file, 'utf8')]).toEqual([[], 'mounts: null # first\n'])
  })

  test('one around another, and one there is not, are refused', async () => {
    const { live } = machine(willing)
    await addMount(live, spec('/a/in'), false)
    const how = { force: true, save: false }
    await expect(removeMount(live, '/a', how)).rejects.toThrow('/a/in is mounted within it')
    await expect(removeMount(live, '/b', how)).rejects.toThrow('nothing is mounted at /b')
  })
})

describe('a guest that has booted anew', () => {
  test('is told what its seed does not know', async () => {
    const { live, state } = machine(willing)
    await addMount(live, spec('/b'), false)
    await removeMount(live, '/a', { force: false, save: false })
    expect(mountMessages(state)).toMatchObject([
      { type: 'unmount', index: 0, force: true },
      { type: 'mount', index: 1, path: '2f62' },
    ])
  })
  test('is told nothing where mounts are fixed', () => {
    const { state } = machine(willing)
    state.config.mountType = 'virtiofs'
    expect(mountMessages(state)).toEqual([])
  })
})
