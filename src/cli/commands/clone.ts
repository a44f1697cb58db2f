import { externalName, profileName } from '../../config/profile.ts'
import { TcolimaError } from '../../host/errors.ts'
import { runStep } from '../../host/progress.ts'
import { cloneInstance } from '../../instance/clone.ts'
import type { CommandContext } from '../command.ts'
import { interruptible } from '../interrupt.ts'
import { jsonLine } from '../render/output.ts'
import { ProgressView } from '../render/progress.ts'
import { whileStopped } from '../stopped.ts'

/** `tcolima clone` */
export async function run(context: CommandContext): Promise<number> {
  const [source, target] = twoProfiles(context)
  const { home, output } = context
  const view = new ProgressView(output)
  try {
    await interruptible((signal) =>
      whileStopped({ home, profile: source }, 'clone', (paths) =>
        runStep(view.report, 'copy', () =>
          cloneInstance({ home, source: paths, target, host: context.host, signal }),
        ),
      ),
    )
  } finally {
    view.close()
  }
  const name = externalName(target)
  if (output.json) jsonLine(output, { type: 'done', time: new Date().toISOString(), name })
  else output.err(`${name} is a copy of ${externalName(source)}; start it with: tcolima start ${target}\n`)
  return 0
}

/** The two profiles a command names; the first is the one that is worked on where one alone is named. */
export function twoProfiles({ rest, profile }: CommandContext): [string, string] {
  const [first = '', second] = rest
  const pair: [string, string] =
    second === undefined ? [profile, profileName(first)] : [profileName(first), profileName(second)]
  if (pair[0] === pair[1]) throw new TcolimaError('usage', `both names mean the machine ${pair[0]}`)
  return pair
}
