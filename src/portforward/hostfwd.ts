import { TcolimaError } from '../host/errors.ts'
import { freePort } from './free-port.ts'
import { bindProblem, refusal } from './refusal.ts'
import type { PlannedForward } from './plan.ts'

/** Runs a command of QEMU's human monitor; gives its text. */
export type HumanMonitor = (line: string) => Promise<string>

/** The network device of the command line that the rules belong to. */
const network = 'net0'
// Another program may take a port between our look and QEMU's.
const attempts = 20

/** The rules that QEMU has already, as forwards. */
export function hostfwdRules(
  monitor: HumanMonitor,
  rules: ReturnType<typeof parseUsernet>,
): { planned: PlannedForward; close: () => Promise<void> }[] {
  return rules.map(({ proto, hostAddress, hostPort, guestPort }) => ({
    planned: { proto, hostAddress, hostPort, via: 'hostfwd', guestAddress: '', guestPort },
    close: () => removeHostfwd(monitor, hostAddress, hostPort, proto),
  }))
}

/** Adds a rule. Throws `failed` when the host's port cannot be taken. */
export async function addHostfwd(
  monitor: HumanMonitor,
  hostAddress: string,
  hostPort: number,
  guestPort: number,
  proto: 'tcp' | 'udp' = 'tcp',
): Promise<void> {
  // On success the monitor says nothing.
  const answer = await monitor(`hostfwd_add ${network} ${proto}:${hostAddress}:${hostPort}-:${guestPort}`)
  if (answer === '') return
  // It says no more than that it could not: the system says why.
  const problem = await bindProblem(proto, hostAddress, hostPort)
  if (problem !== undefined) throw refusal(problem, hostAddress, hostPort)
  throw new TcolimaError('failed', `QEMU could not take port ${hostPort} of the host`, {
    cause: new Error(answer),
  })
}

/**
 * Adds a rule from some port of the loopback; gives the port. `wanted` is tried first, where there is one. Throws `failed`
 * when none can be had.
 */
export async function addLoopbackHostfwd(
  monitor: HumanMonitor,
  guestPort: number,
  proto: 'tcp' | 'udp' = 'tcp',
  wanted = 0,
): Promise<number> {
  let last: unknown
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = attempt === 0 && wanted > 0 ? wanted : await freePort(proto)
    try {
      await addHostfwd(monitor, '127.0.0.1', port, guestPort, proto)
      return port
    } catch (error) {
      last = error
    }
  }
  throw new TcolimaError('failed', `no free port of the host for port ${guestPort} of the guest`, {
    cause: last,
  })
}

/** Removes a rule; one that is not there is no error. */
export async function removeHostfwd(
  monitor: HumanMonitor,
  hostAddress: string,
  hostPort: number,
  proto: 'tcp' | 'udp' = 'tcp',
): Promise<void> {
  await monitor(`hostfwd_remove ${network} ${proto}:${hostAddress}:${hostPort}`)
}

/** The rules QEMU has, from what `info usernet` printed. Pure. */
export function parseUsernet(
  text: string,
): Pick<PlannedForward, 'proto' | 'hostAddress' | 'hostPort' | 'guestPort'>[] {
  // TCP[HOST_FORWARD]  12  127.0.0.1 40123  10.0.2.15  22  0  0
  const rule = /^\s*(TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s+\S+\s+(\d+)/
  return text.split(/\r?\n/).flatMap((line) => {
    const [, proto, address, hostPort, guestPort] = rule.exec(line) ?? []
    if (address === undefined) return []
    return [
      {
        proto: proto === 'UDP' ? ('udp' as const) : ('tcp' as const),
        hostAddress: address === '*' ? '0.0.0.0' : address,
        hostPort: Number(hostPort),
        guestPort: Number(guestPort),
      },
    ]
  })
}
