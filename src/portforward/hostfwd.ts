import { TcolimaError } from '../host/errors.ts'
import type { Forwarder } from './forwarder.ts'
import { bindProblem, refusal } from './refusal.ts'
import type { PlannedForward } from './plan.ts'

/** Runs a command of QEMU's human monitor; gives its text. */
export type HumanMonitor = (line: string) => Promise<string>

/** The network device of the command line that the rules belong to. */
const network = 'net0'

/** Forwards in QEMU's user network (QEMU manual, "hostfwd_add"): they live in QEMU and outlive the agent. */
export function hostfwdForwarder(monitor: HumanMonitor): Forwarder {
  return {
    open: async (forward, again) => {
      const { hostAddress, hostPort, guestPort, proto } = forward
      // Cheaper than to ask QEMU.
      const problem = again ? await bindProblem(proto, hostAddress, hostPort) : undefined
      if (problem !== undefined) throw refusal(problem, hostAddress, hostPort)
      await addHostfwd(monitor, hostAddress, hostPort, guestPort, proto)
      return async () => removeHostfwd(monitor, hostAddress, hostPort, proto)
    },
  }
}

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
