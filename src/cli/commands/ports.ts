import type { PortChange } from '../../agent/api.ts'
import { askAgent } from '../../agent/ask.ts'
import { exitCodeOf, TcolimaError } from '../../host/errors.ts'
import { instancePaths } from '../../instance/paths.ts'
import { type CommandContext, isOn } from '../command.ts'
import { interruptible } from '../interrupt.ts'
import { jsonLine } from '../render/output.ts'
import { guestEnd, hostEnd, portLine, portState, userOf } from '../render/ports.ts'
import { table } from '../render/table.ts'
import { requireRunning } from '../running.ts'

/** `tcolima ports` */
export async function run(context: CommandContext): Promise<number> {
  requireRunning(context)
  return isOn(context, 'watch') ? await watch(context) : await list(context)
}

async function list(context: CommandContext): Promise<number> {
  const { home, profile, host, output } = context
  const ports = await askAgent(home, instancePaths(home, profile), host, 'ports', {})
  if (output.json) for (const port of ports) jsonLine(output, port)
  else {
    const rows = ports.map((port) => [
      guestEnd(port),
      hostEnd(port),
      port.proto,
      port.reverse ? `${port.via}, reverse` : port.via,
      userOf(port),
      portState(port),
    ])
    output.out(table([['GUEST', 'HOST', 'PROTOCOL', 'VIA', 'USED BY', 'STATE'], ...rows]))
  }
  return 0
}

/** Prints what there is, then each change, until this process is interrupted or the machine ends. */
async function watch({ home, profile, host, output }: CommandContext): Promise<number> {
  const onChange = (change: PortChange) => {
    const time = new Date().toISOString()
    if (output.json) jsonLine(output, { ...change, time })
    else output.out(`${time} ${change.type.padEnd(7)} ${portLine(change.port)}\n`)
  }
  const paths = instancePaths(home, profile)
  try {
    await interruptible((signal) => askAgent(home, paths, host, 'watchPorts', {}, { signal, onChange }))
    return 0
  } catch (error) {
    // The usual way to end it needs no message.
    if (error instanceof TcolimaError && error.code === 'cancelled') return exitCodeOf(error.code)
    throw error
  }
}
