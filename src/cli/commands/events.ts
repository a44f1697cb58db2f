import { profileName } from '../../config/profile.ts'
import { exitCodeOf, TcolimaError } from '../../host/errors.ts'
import { viewInstance } from '../../instance/view.ts'
import type { CommandContext } from '../command.ts'
import { type MachineEvent, watchEvents } from '../events.ts'
import { interruptible } from '../interrupt.ts'
import { jsonLine } from '../render/output.ts'
import { portLine } from '../render/ports.ts'

/** `tcolima events`: of one machine where one is named, else of all. */
export async function run(context: CommandContext): Promise<number> {
  const { home, host, output, rest } = context
  const [word = context.flags.profile] = rest
  const only = typeof word === 'string' ? profileName(word) : undefined
  if (only !== undefined && !viewInstance(home, only)) {
    throw new TcolimaError('not-found', `there is no machine ${only}`, { hint: 'See `tcolima list`.' })
  }
  const tell = (event: MachineEvent) => {
    const time = new Date().toISOString()
    if (output.json) jsonLine(output, { time, ...event })
    else output.out(`${time} ${eventLine(event)}\n`)
  }
  try {
    await interruptible((signal) => watchEvents({ home, host, only, tell, signal }))
    return 0
  } catch (error) {
    // The usual way to end it needs no message.
    if (error instanceof TcolimaError && error.code === 'cancelled') return exitCodeOf(error.code)
    throw error
  }
}

function eventLine(event: MachineEvent): string {
  const { name, type, action } = event
  const start = `${name} ${type} ${action}`
  if (event.type === 'mount') return `${start} ${event.mount.mountPoint} ${event.mount.detail}`.trimEnd()
  return event.type === 'port' ? `${start} ${portLine(event.port)}` : start
}
