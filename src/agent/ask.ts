import type { Host } from '../host/platform.ts'
import type { InstancePaths } from '../instance/paths.ts'
import type { AgentMethod, AgentMethods } from './api.ts'
import { AgentNotThere, type CallOptions, callAgent } from './client.ts'
import { ensureAgent } from './spawn.ts'

// An agent that was ending when it was asked is followed by a new one.
const attempts = 3

/** Makes a request of the instance's agent, which is started where there is none. Throws like the two it is made of. */
export async function askAgent<M extends AgentMethod>(
  home: string,
  paths: InstancePaths,
  host: Host,
  method: M,
  params: AgentMethods[M]['params'],
  options: CallOptions = {},
): Promise<AgentMethods[M]['result']> {
  for (let attempt = 1; ; attempt++) {
    const socket = await ensureAgent(home, paths, host, options.signal)
    try {
      return await callAgent(socket, method, params, { log: paths.agentLog, ...options })
    } catch (error) {
      if (!(error instanceof AgentNotThere) || attempt === attempts) throw error
    }
  }
}
