import { createServer } from 'node:net'
import { TcolimaError } from '../host/errors.ts'
import { addHostfwd, type HumanMonitor, type parseUsernet } from '../portforward/hostfwd.ts'

// Another program may take the port between our look and QEMU's.
const attempts = 20

/**
 * Gives the loopback port of the host that leads to the guest's SSH: the rule QEMU has, or a new one, on the wanted port
 * (0: any) when it is free. Throws `failed` when no port can be had.
 */
export async function ensureSshPort(
  monitor: HumanMonitor,
  usernet: ReturnType<typeof parseUsernet>,
  wanted: number,
): Promise<number> {
  const existing = usernet.find(
    (rule) => rule.proto === 'tcp' && rule.guestPort === 22 && rule.hostAddress === '127.0.0.1',
  )
  if (existing) return existing.hostPort
  let last: unknown
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = attempt === 0 && wanted > 0 ? wanted : await freePort()
    try {
      await addHostfwd(monitor, '127.0.0.1', port, 22)
      return port
    } catch (error) {
      last = error
    }
  }
  throw new TcolimaError('failed', 'no free port of the host for SSH', { cause: last })
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
