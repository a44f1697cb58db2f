import { externalName } from '../config/profile.ts'
import { instancePaths } from '../instance/paths.ts'
import { viewInstance } from '../instance/view.ts'
import { engineNamed, engines } from '../runtime/engines.ts'
import type { HostClient } from '../runtime/host-client.ts'
import type { CommandContext } from './command.ts'

/** Takes the instance away from the programs of the host that know it (`remove`), or from their use (`leave`). */
export async function withoutInstance(context: CommandContext, how: 'leave' | 'remove'): Promise<void> {
  const { home, profile, host } = context
  const { folder } = instancePaths(home, profile)
  for (const client of clientsOf(context)) {
    await client[how]({ name: externalName(profile), folder, env: host.env })
  }
}

/** Of an instance that was not made in full, or cannot be read, those of every engine. */
function clientsOf({ home, profile }: CommandContext): HostClient[] {
  const runtime = viewInstance(home, profile)?.record?.runtime
  const engine = runtime === undefined ? undefined : engineNamed(runtime)
  return engine?.clients ?? Object.values(engines).flatMap(({ clients }) => clients)
}
