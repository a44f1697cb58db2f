import { callAgent } from '../agent/client.ts'
import { agentSocket } from '../agent/spawn.ts'
import { delay } from '../host/delay.ts'
import type { Host } from '../host/platform.ts'
import { isSocketAlive } from '../host/sockets.ts'
import type { InstancePaths } from '../instance/paths.ts'

// Milliseconds: ending a QEMU that starts takes few; a start that another command waits for goes on.
const limitMs = 15_000
const lookMs = 100

/**
 * Waits until the agent has taken a cancelled start back, so that nothing of it runs when this command has ended. A
 * machine that ran before is none of it. Gives false when it is still at it after 15 s.
 */
export async function waitTakenBack(
  paths: InstancePaths,
  host: Pick<Host, 'platform'>,
  waitMs = limitMs,
): Promise<boolean> {
  const until = performance.now() + waitMs
  const socket = agentSocket(paths, host)
  while (await isSocketAlive(socket)) {
    const status = await callAgent(socket, 'status', {}, { limitMs: 1000 }).catch(() => undefined)
    if (status?.phase === 'running') return true
    if (performance.now() > until) return false
    await delay(lookMs)
  }
  return true
}
