import { mkdir, lstat } from 'node:fs/promises'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { errnoOf, TcolimaError } from '../host/errors.ts'
import { isSocketAlive, prepareSocketPath, removeSocket, type SocketOwner } from '../host/sockets.ts'
import { type Forward, forwardTcp, forwardUnix } from '../ssh/forward.ts'
import type { PlannedForward } from './plan.ts'
import { refusal } from './refusal.ts'
import { isLoopback, plainAddress } from './rules.ts'

/**
 * Listens at the host end of a forward for streams: on its port or its Unix socket. Each connection is joined with a
 * stream that `open` gives. Gives what ends the listening; connections go on. Throws `failed` with the reason in words.
 */
export async function listenOnHost(
  forward: PlannedForward,
  owner: SocketOwner,
  open: () => Promise<Duplex>,
): Promise<() => Promise<void>> {
  if (forward.hostSocket !== undefined) return await listenOnSocket(forward.hostSocket, owner, open)
  const { hostAddress, hostPort } = forward
  const { address, accepts } = bindingOf(hostAddress, hostPort, owner.platform)
  try {
    const listening = await forwardTcp(address, hostPort, open, accepts ? { accepts } : {})
    return () => listening.stop()
  } catch (error) {
    throw refusal(error, address, hostPort)
  }
}

/**
 * The address to bind for a port of the host, and whom to take. On macOS users may have a port below 1024 only on all
 * addresses; those who do not come from the loopback are turned away then, as Lima does it. Pure.
 */
export function bindingOf(
  address: string,
  port: number,
  platform: 'linux' | 'darwin',
): { address: string; accepts?: (peer: string) => boolean } {
  if (platform !== 'darwin' || port >= 1024 || !isLoopback(address)) return { address }
  return {
    address: address.includes(':') ? '::' : '0.0.0.0',
    accepts: (peer) => isLoopback(plainAddress(peer)),
  }
}

async function listenOnSocket(
  file: string,
  owner: SocketOwner,
  open: () => Promise<Duplex>,
): Promise<() => Promise<void>> {
  await freeSocket(file, owner.platform)
  const place = await prepareSocketPath(path.dirname(file), path.basename(file), owner)
  let listening: Forward
  try {
    listening = await forwardUnix(place.path, open)
  } catch (error) {
    throw new TcolimaError('failed', `cannot listen on ${file}: ${errnoOf(error) ?? String(error)}`, {
      cause: error,
    })
  }
  return async () => {
    await listening.stop()
    await removeSocket(file, owner.platform)
  }
}

/** Takes away what is left of a socket that nobody listens on; anything else that is there stays, and is an error. */
async function freeSocket(file: string, platform: 'linux' | 'darwin'): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new TcolimaError(
      'failed',
      `cannot make the folder of ${file}: ${errnoOf(error) ?? String(error)}`,
      { cause: error },
    )
  }
  const info = await lstat(file).catch(() => undefined)
  if (!info) return
  if (await isSocketAlive(file)) throw new TcolimaError('failed', `another program listens on ${file}`)
  // A link is what a path that is too long for a socket has.
  if (!info.isSocket() && !info.isSymbolicLink())
    throw new TcolimaError('failed', `${file} is there, and no socket`)
  await removeSocket(file, platform)
}
