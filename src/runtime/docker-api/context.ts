import { messageOf } from '../../host/errors.ts'
import { findProgram } from '../../host/programs.ts'
import { run as runProgram } from '../../host/run.ts'
import { Former } from '../former.ts'
import type { ClientInput, ClientResult, HostClient } from '../host-client.ts'

/** The docker client, by a context of its own for each instance. */
export const dockerContext: HostClient = {
  step: 'docker context',
  show: showContext,
  leave: leaveContext,
  remove: removeContext,
}

/** What the functions below take beside it: the tests run no program. */
interface ContextInput extends ClientInput {
  run?: typeof runProgram
}

const memoryName = 'docker-context.json'

/** Makes the context for a socket, and the active one when `activate`. Never throws: the machine runs all the same. */
export async function showContext(
  input: ContextInput & { socket: string; activate: boolean },
): Promise<ClientResult> {
  const { name, socket, activate, env, folder, run = runProgram } = input
  const host = `unix://${socket}`
  const byHand = `export DOCKER_HOST=${host}`
  if (findProgram('docker', env.PATH ?? '') === undefined) {
    return {
      detail: 'none',
      warning: {
        text: 'there is no docker client on this host',
        hint: `Install one; others need: ${byHand}`,
      },
    }
  }
  try {
    const exists = (await contexts(run)).includes(name)
    const docker = ['--description', 'tcolima', '--docker', `host=${host}`]
    await run('docker', ['context', exists ? 'update' : 'create', ...docker, name], withoutHost)
    if (!activate) return { detail: `${name}, not active` }
    const before = await activeContext(run)
    if (before !== name) {
      await new Former(folder, memoryName).remember(before)
      await run('docker', ['context', 'use', name], withoutHost)
    }
  } catch (error) {
    return {
      detail: 'not made',
      warning: { text: `the docker context could not be made: ${messageOf(error)}`, hint: byHand },
    }
  }
  if (env.DOCKER_HOST || env.DOCKER_CONTEXT) {
    const variable = env.DOCKER_HOST ? 'DOCKER_HOST' : 'DOCKER_CONTEXT'
    return {
      detail: name,
      warning: { text: `${variable} is set and hides the docker context ${name}`, hint: `unset ${variable}` },
    }
  }
  return { detail: name }
}

/**
 * Goes back to the context that was active before, when the instance's is still the active one; other instances that
 * would have come back to it will go there too. Never throws.
 */
export async function leaveContext(input: ContextInput): Promise<void> {
  const { name, env, folder, run = runProgram } = input
  if (findProgram('docker', env.PATH ?? '') === undefined) return
  const former = new Former(folder, memoryName)
  const before = former.read()
  try {
    await former.passOn(name, before ?? 'default')
    if ((await activeContext(run)) !== name) return
    const there = before !== undefined && (await contexts(run)).includes(before)
    await run('docker', ['context', 'use', there ? before : 'default'], withoutHost)
  } catch {
    // A client that does not work has no context to leave.
  } finally {
    former.forget()
  }
}

/** Leaves the context and removes it. Never throws. */
export async function removeContext(input: ContextInput): Promise<void> {
  await leaveContext(input)
  const { name, env, run = runProgram } = input
  if (findProgram('docker', env.PATH ?? '') === undefined) return
  await run('docker', ['context', 'rm', '--force', name], { ...withoutHost, allow: 'any' }).catch(
    () => undefined,
  )
}

// With these set the client shows and changes nothing but them.
const withoutHost = { env: { DOCKER_HOST: undefined, DOCKER_CONTEXT: undefined } }

async function contexts(run: typeof runProgram): Promise<string[]> {
  const { stdout } = await run('docker', ['context', 'ls', '-q'], withoutHost)
  return stdout.split('\n').map((line) => line.trim())
}

async function activeContext(run: typeof runProgram): Promise<string> {
  // Not `context show`: the client of Debian 12 (20.10) does not know it.
  return (await run('docker', ['context', 'inspect', '--format', '{{.Name}}'], withoutHost)).stdout.trim()
}
