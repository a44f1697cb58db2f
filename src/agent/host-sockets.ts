import type { Duplex } from 'node:stream'
import { messageOf, TcolimaError } from '../host/errors.ts'
import { prepareSocketPath, removeSocket } from '../host/sockets.ts'
import type { ContainerApi, Engine } from '../runtime/engine.ts'
import { holdAnswers } from '../runtime/hold-answers.ts'
import { type Forward, forwardUnix } from '../ssh/forward.ts'
import type { Between } from '../ssh/join.ts'
import type { AgentContext } from './context.ts'
import type { Machine } from './machine.ts'
import { settlePorts } from './settle-ports.ts'

/** The engine's sockets on the host, over the machine's SSH connection. */
export interface HostSockets {
  /** Path users are told, by name; its socket may lie elsewhere when the path is long. */
  paths: Record<string, string>
  close: () => Promise<void>
}

/** Listens on a socket in the instance folder for each one of the engine. Throws `failed` when it cannot. */
export async function openHostSockets(
  context: AgentContext,
  machine: Machine,
  engine: Engine,
): Promise<HostSockets> {
  const { paths, host } = context
  const open: { forward: Forward; file: string }[] = []
  const result: Record<string, string> = {}
  for (const { name, guestPath, api } of engine.sockets) {
    const place = await prepareSocketPath(paths.folder, name, host)
    const file = place.link ?? place.path
    try {
      // Whoever holds the instance's lock owns its sockets: one that is there was left.
      await removeSocket(place.path, host.platform)
      const connect = () => machine.openUnix(guestPath)
      const between = api ? () => holding(api, connect, machine, context) : undefined
      open.push({ forward: await forwardUnix(place.path, connect, between), file })
    } catch (error) {
      throw new TcolimaError('failed', `cannot listen on ${file}: ${messageOf(error)}`, { cause: error })
    }
    // Programs that cannot follow a link to a short path are given the short one.
    result[name] = place.path
  }
  return {
    paths: result,
    close: async () => {
      await Promise.all(
        open.map(async ({ forward, file }) => {
          await forward.close()
          await removeSocket(file, host.platform)
        }),
      )
    },
  }
}

/** A connection whose answers come when the ports they are about are there on the host, or gone. */
function holding(
  api: ContainerApi,
  connect: () => Promise<Duplex>,
  machine: Machine,
  { log }: AgentContext,
): Between {
  const { requests, answers } = holdAnswers((method, target) => {
    const change = api.portChange(method, target)
    return change && (() => settlePorts(change, { ...machine.portsWorld(), api, connect, log }))
  })
  return { forth: requests, back: answers }
}
