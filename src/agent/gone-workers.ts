import type { ClientChannel } from 'ssh2'
import { externalName } from '../config/profile.ts'
import { TcolimaError } from '../host/errors.ts'
import type { Report } from '../host/progress.ts'
import type { InstancePaths } from '../instance/paths.ts'
import type { InstanceRecord } from '../instance/record.ts'
import { removeNodes } from './node-network.ts'
import type { Worker } from './workers.ts'

/** What is to be known of a server whose workers left. */
export interface GoneInput {
  /** The name of its own node. */
  own: string
  gone: readonly Worker[]
  /** Those that are still there. */
  staying: readonly Worker[]
  exec: (command: string) => Promise<ClientChannel>
  report: Report
  signal: AbortSignal
}

/**
 * Takes the nodes of workers that left out of a cluster that runs; gives the workers of whom nothing is left there. Warns of a node that
 * stays. Throws `cancelled` on abort.
 */
export async function removeGone(input: GoneInput): Promise<Worker[]> {
  const { exec, report, signal } = input
  const done: Worker[] = []
  for (const worker of input.gone) {
    try {
      await removeNodes(exec, removable(input.own, [worker], input.staying), signal)
      done.push(worker)
    } catch (error) {
      signal.throwIfAborted()
      const why = TcolimaError.from(error).message
      report({
        type: 'warning',
        text: `${worker.name} left, and its node ${worker.node} is still there: ${why}`,
      })
    }
  }
  return done
}

/** The nodes of leaving workers that are nobody else's: neither the server's own nor one of those that stay. Pure. */
export function removable(own: string, leaving: readonly Worker[], staying: readonly Worker[]): string[] {
  return leaving.map(({ node }) => node).filter((node) => holderOf(node, own, staying) === undefined)
}

/** Who has a node's name: "" is the server itself; undefined is nobody. Pure. */
export function holderOf(node: string, own: string, workers: readonly Worker[]): string | undefined {
  // Kubernetes takes names in small letters.
  const same = (other: string) => other.toLowerCase() === node.toLowerCase()
  return same(own) ? '' : workers.find((each) => same(each.node))?.name
}

/** What the node of a machine is called. Pure. */
export function nodeName(
  { profile }: Pick<InstancePaths, 'profile'>,
  record: InstanceRecord | undefined,
): string {
  return record?.node ?? externalName(profile)
}
