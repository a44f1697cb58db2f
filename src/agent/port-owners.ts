import type { Duplex } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { delay } from '../host/delay.ts'
import { printable } from '../host/text.ts'
import type { ForwardStatus } from '../portforward/forwards.ts'
import { type Listener, parseListener } from '../portforward/listeners.ts'
import { forwardKey } from '../portforward/plan.ts'
import { isWildcard, plainAddress } from '../portforward/rules.ts'
import type { Engine, ContainerPort } from '../runtime/engine.ts'
import type { PortChange, PortStatus } from './api.ts'
import type { Machine } from './machine.ts'

/** Where the names of those who use ports come from. */
export interface PortSources {
  machine: Pick<Machine, 'ports' | 'ssh' | 'forwards' | 'reverse'>
  engine: Engine
  /** The engine's socket on the host. */
  socket: string
}

// Milliseconds for the guest and for the engine to say who is who: without names the list is better than none. Under
// software emulation a command over SSH alone may take seconds. And for changes that come together.
const limitMs = 15_000
const togetherMs = 100
const longestAnswer = 4 * 2 ** 20

/** A listener of the guest and the process that has it. */
export type Owner = Listener & { process: string }

/** All forwards with the processes and containers behind them, as far as guest and engine tell. */
export async function namedPorts(
  { machine, engine, socket }: PortSources,
  signal: AbortSignal,
): Promise<PortStatus[]> {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(limitMs)])
  const [owners, published] = await Promise.all([
    guestOwners(machine, soon).catch(() => []),
    engine.containerPorts?.(socket, soon).catch(() => []),
  ])
  return withOwners(machine.ports(), owners, published ?? [], engine.portHolders)
}

/** Puts names to forwards; `portHolders` begin the names of programs that hold ports for containers. Pure. */
export function withOwners(
  ports: readonly ForwardStatus[],
  owners: readonly Owner[],
  published: readonly ContainerPort[],
  portHolders: readonly string[] = [],
): PortStatus[] {
  const processes = byPort(owners)
  const containers = byPort(published)
  return ports.map((port) => {
    if (port.reverse || port.guestSocket !== undefined) return port
    const key = `${port.proto} ${port.guestPort}`
    const all = processes.get(key) ?? []
    const at = (fits: (address: string) => boolean) => all.find(({ address }) => fits(plainAddress(address)))
    const owner = at((address) => address === port.guestAddress) ?? at(isWildcard) ?? all[0]
    // With a program of the engine, or none at all, it is the container that users know.
    const proxied = owner === undefined || portHolders.some((name) => owner.process.startsWith(name))
    const container = proxied ? containers.get(key)?.[0]?.container : undefined
    return {
      ...port,
      ...(owner ? { process: owner.process } : {}),
      ...(container === undefined ? {} : { container }),
    }
  })
}

/** Reads what guest/rootfs/usr/lib/tcolima/owners prints; the guest is not trusted. Pure. */
export function parseOwners(text: string): Owner[] {
  return text.split('\n').flatMap((line) => {
    const [, socket = '', name = ''] = /^(\S+ \S+ \S+) (.+)$/.exec(line) ?? []
    const listener = parseListener(socket)
    return listener ? [{ ...listener, process: printable(name) }] : []
  })
}

/**
 * Tells each forward that there is, with its names, and each change from then on, until the signal is aborted. Changes
 * that come together are told together.
 */
export async function watchPorts(
  sources: PortSources,
  tell: (change: PortChange) => void,
  signal: AbortSignal,
): Promise<void> {
  const { forwards, reverse } = sources.machine
  let known = new Map<string, PortStatus>()
  let wake: () => void = () => undefined
  let changed = true
  const onChange = () => {
    changed = true
    wake()
  }
  forwards.on('change', onChange)
  reverse.on('change', onChange)
  signal.addEventListener('abort', onChange)
  try {
    while (!signal.aborted) {
      if (changed) {
        changed = false
        const now = new Map((await namedPorts(sources, signal)).map((port) => [portKey(port), port]))
        if (signal.aborted) return
        for (const change of changesOf(known, now)) tell(change)
        known = now
        await delay(togetherMs, signal)
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    forwards.off('change', onChange)
    reverse.off('change', onChange)
    signal.removeEventListener('abort', onChange)
  }
}

/** What became of the forwards. Pure. */
export function changesOf(
  before: ReadonlyMap<string, PortStatus>,
  now: ReadonlyMap<string, PortStatus>,
): PortChange[] {
  const gone = [...before].flatMap(([key, port]): PortChange[] =>
    now.has(key) ? [] : [{ type: 'removed', port }],
  )
  const there = [...now].flatMap(([key, port]): PortChange[] => {
    const old = before.get(key)
    if (!old) return [{ type: 'added', port }]
    return isDeepStrictEqual(old, port) ? [] : [{ type: 'changed', port }]
  })
  return [...gone, ...there]
}

/** Two that were refused may have one host end. */
function portKey(port: PortStatus): string {
  return `${forwardKey(port)} ${port.reverse ?? false} ${port.guestSocket ?? port.guestPort}`
}

function byPort<T extends { proto: string; port: number }>(entries: readonly T[]): Map<string, T[]> {
  const found = new Map<string, T[]>()
  for (const entry of entries) {
    const key = `${entry.proto} ${entry.port}`
    const list = found.get(key)
    if (list) list.push(entry)
    else found.set(key, [entry])
  }
  return found
}

async function guestOwners({ ssh }: Pick<Machine, 'ssh'>, signal: AbortSignal): Promise<Owner[]> {
  // The user sees only the user's own processes.
  const channel: Duplex = await (await ssh.get(limitMs)).exec('sudo -n /usr/lib/tcolima/owners')
  return await new Promise<Owner[]>((resolve) => {
    let text = ''
    const finish = () => {
      channel.destroy()
      resolve(parseOwners(text))
    }
    channel.setEncoding('utf8')
    channel.on('data', (chunk: string) => {
      text += chunk
      if (text.length > longestAnswer) finish()
    })
    channel.on('close', finish)
    channel.on('error', finish)
    signal.addEventListener('abort', finish, { once: true })
  })
}
