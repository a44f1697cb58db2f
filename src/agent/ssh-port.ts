import { TcolimaError } from '../host/errors.ts'
import {
  addHostfwd,
  addLoopbackHostfwd,
  type HumanMonitor,
  type parseUsernet,
} from '../portforward/hostfwd.ts'

/** The ports to try: one that the settings name, and no other; else the one of last time (0: none), then any. */
export interface WantedPort {
  fixed: number
  last: number
  /** Who has a port. */
  holder: (port: number) => string | undefined
}

/**
 * Gives the loopback port of the host that leads to the guest's SSH: the rule QEMU has, or a new one. Throws `host` when
 * the port of the settings is taken, `failed` when none can be had.
 */
export async function ensureSshPort(
  monitor: HumanMonitor,
  usernet: ReturnType<typeof parseUsernet>,
  { fixed, last, holder }: WantedPort,
): Promise<number> {
  const existing = usernet.find(
    (rule) => rule.proto === 'tcp' && rule.guestPort === 22 && rule.hostAddress === '127.0.0.1',
  )
  if (existing) return existing.hostPort
  if (fixed === 0) return await addLoopbackHostfwd(monitor, 22, 'tcp', last)
  try {
    await addHostfwd(monitor, '127.0.0.1', fixed, 22)
    return fixed
  } catch (error) {
    throw taken(fixed, holder(fixed), error)
  }
}

function taken(port: number, holder: string | undefined, cause: unknown): TcolimaError {
  const who = holder === undefined ? '' : `: ${holder} has it`
  return new TcolimaError('host', `port ${port} of this computer, sshPort of the settings, is taken${who}`, {
    hint: 'End that program, or set another sshPort (0 takes a free port).',
    cause,
  })
}
