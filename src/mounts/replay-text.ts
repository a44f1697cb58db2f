import type { ReplayStep } from './replay.ts'

/** Steps as the guest's script takes them (guest/rootfs/usr/lib/tcolima/replay): `act:hex path[:hex path]`, joined by `;`. */
export function stepsText(steps: readonly ReplayStep[]): string {
  return steps
    .map((step) =>
      step.act === 'rename' ? `rename:${hex(step.from)}:${hex(step.to)}` : `${step.act}:${hex(step.path)}`,
    )
    .join(';')
}

function hex(path: string): string {
  return Buffer.from(path, 'latin1').toString('hex')
}
