import { messageOf } from '../../host/errors.ts'
import { findProgram } from '../../host/programs.ts'
import { run as runProgram } from '../../host/run.ts'
import { Former } from '../former.ts'
import type { ClientInput, ClientResult, HostClient } from '../host-client.ts'

/** The podman client, by a connection of its own for each instance (podman-system-connection(1)). */
export const podmanConnection: HostClient = {
  step: 'podman connection',
  show: showConnection,
  leave: removeConnection,
  remove: removeConnection,
}

/** What the functions below take beside it: the tests run no program. */
interface ConnectionInput extends ClientInput {
  run?: typeof runProgram
}

interface Connection {
  name: string
  uri: string
  isDefault: boolean
}

const memoryName = 'podman-connection.json'

/** Makes the connection for a socket, and the default when `activate`. */
export async function showConnection(
  input: ConnectionInput & { socket: string; activate: boolean },
): Promise<ClientResult> {
  const { name, socket, activate, env, folder, run = runProgram } = input
  const uri = `unix://${socket}`
  const byHand = `export CONTAINER_HOST=${uri}`
  if (findProgram('podman', env.PATH ?? '') === undefined) {
    const warning = { text: 'there is no podman client on this host', hint: `Install one, for: ${byHand}` }
    // A docker client does as well.
    const docker = findProgram('docker', env.PATH ?? '') !== undefined
    return docker ? { detail: 'none' } : { detail: 'none', warning }
  }
  let isDefault: boolean
  try {
    const before = await connections(run)
    const own = before.find((each) => each.name === name)
    // In place of one of that name.
    if (own?.uri !== uri) await podman(run, 'add', name, uri)
    const active = before.find((each) => each.isDefault)?.name
    // The first one that is added is the default in any case.
    isDefault = activate || active === name || before.length === 0
    if (activate && active !== name) {
      if (active !== undefined) await new Former(folder, memoryName).remember(active)
      await podman(run, 'default', name)
    }
  } catch (error) {
    return {
      detail: 'not made',
      warning: { text: `the podman connection could not be made: ${messageOf(error)}`, hint: byHand },
    }
  }
  const variable = ['CONTAINER_HOST', 'CONTAINER_CONNECTION'].find((each) => env[each])
  if (variable !== undefined && isDefault) {
    return {
      detail: name,
      warning: {
        text: `${variable} is set and hides the podman connection ${name}`,
        hint: `unset ${variable}`,
      },
    }
  }
  return { detail: isDefault ? name : `${name}, not active` }
}

/**
 * Takes the connection away, which leads nowhere without the machine, and makes the former default one again when it was
 * still the default. Never throws.
 */
export async function removeConnection(input: ConnectionInput): Promise<void> {
  const { name, env, folder, run = runProgram } = input
  if (findProgram('podman', env.PATH ?? '') === undefined) return
  const former = new Former(folder, memoryName)
  const before = former.read()
  try {
    await former.passOn(name, before)
    const all = await connections(run)
    const own = all.find((each) => each.name === name)
    if (!own) return
    await podman(run, 'remove', name)
    if (own.isDefault && before !== undefined && all.some((each) => each.name === before)) {
      await podman(run, 'default', before)
    }
  } catch {
    // A client that does not work has no connection to lose.
  } finally {
    former.forget()
  }
}

async function podman(run: typeof runProgram, ...words: string[]): Promise<string> {
  // With these set the client looks for an engine there.
  const env = { CONTAINER_HOST: undefined, CONTAINER_CONNECTION: undefined }
  return (await run('podman', ['system', 'connection', ...words], { env })).stdout
}

async function connections(run: typeof runProgram): Promise<Connection[]> {
  // Version 4 gives `null` or nothing for none.
  const listed: unknown = JSON.parse((await podman(run, 'list', '--format', 'json')) || '[]')
  if (!Array.isArray(listed)) return []
  return listed.flatMap((each: unknown): Connection[] => {
    const { Name: name, URI: uri, Default: isDefault } = each as Record<string, unknown>
    return typeof name === 'string' && typeof uri === 'string'
      ? [{ name, uri, isDefault: isDefault === true }]
      : []
  })
}
