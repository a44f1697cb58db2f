import { absoluteMirror } from '../artifacts/source.ts'
import { type CommandContext, textOf } from './command.ts'
import { workingFolder } from './flags.ts'

/**
 * The mirror for artefacts that the command line or the environment names, else the one of the settings (''); a folder as an absolute
 * path.
 */
export function mirrorOf(context: CommandContext, remembered = ''): string | undefined {
  const named = textOf(context, 'mirror') ?? (context.host.env.TCOLIMA_MIRROR || remembered)
  return absoluteMirror(named, workingFolder() ?? '/')
}
