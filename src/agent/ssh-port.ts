import { createServer } from 'node:net'
import { TcolimaError } from '../host/errors.ts'
import { addHostfwd, type HumanMonitor, type parseUsernet } from '../portforward/hostfwd.ts'

// Another program may take the port between our look and QEMU's.
const attempts = 20

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
  { fixed, last: before, holder }: WantedPort,
): Promise<number> {
  const existing = usernet.find(
    (rule) => rule.proto === 'tcp' && rule.guestPort === 22 && rule.hostAddress === '127.0.0.1',
  )
  if (existing) return existing.hostPort
  let last: unknown
  for (let attempt = 0; attempt < attempts; attempt++) {
    const wanted = attempt === 0 ? fixed || before : 0
    const port = wanted > 0 ? wanted : await freePort()
    try {
      await addHostfwd(monitor, '127.0.0.1', port, 22)
      return port
    } catch (error) {
      if (port === fixed) throw taken(port, holder(port), error)
      last = error
    }
  }
  throw new TcolimaError('failed', 'no free port of the host for SSH', { cause: last })
}

function taken(port: number, holder: string | undefined, cause: unknown): TcolimaError {
  const who = holder === undefined ? '' : `: ${holder} has it`
  return new TcolimaError('host', `port ${port} of this computer, sshPort of the settings, is taken${who}`, {
    hint: 'End that program, or set another sshPort (0 takes a free port).',
    cause,
  })
}

async function freePort(): Promise<number> {
  return await new Promise<number>((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
