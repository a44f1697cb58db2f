import { TcolimaError } from '../../host/errors.ts'
import type { CommandContext } from '../command.ts'
import { completionScript } from '../completion-script.ts'
import { isShell, shells } from '../shells.ts'

/** `tcolima completion` */
export async function run({ rest, output }: CommandContext): Promise<number> {
  const [shell] = rest
  if (!isShell(shell)) {
    throw new TcolimaError('usage', `completion takes ${shells.join(', ')}, not ${JSON.stringify(shell)}`)
  }
  output.out(completionScript(shell))
  return 0
}
