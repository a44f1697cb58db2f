import { homedir } from 'node:os'
import { tcolimaHome } from '../config/home.ts'
import { profileName } from '../config/profile.ts'
import { TcolimaError } from '../host/errors.ts'
import { currentHost } from '../host/platform.ts'
import type { Command, CommandContext } from './command.ts'
import { commands } from './commands.ts'
import { processOutput } from './render/output.ts'

/** A command line taken apart. */
export interface Invocation {
  command: Command
  /** Flags by their long names in camel case. */
  flags: Record<string, unknown>
  /** The profile named as a positional argument. */
  named?: string | undefined
  /** Positional arguments after the profile. */
  rest: string[]
}

/**
 * Takes apart a command line that is nothing but a command's name, and perhaps `--json`; gives undefined for any other.
 * The parser costs a third of what the whole of `list` does. Pure.
 */
export function plainInvocation(words: string[]): Invocation | undefined {
  const [name = '', flag, ...more] = words
  if (more.length > 0 || (flag !== undefined && !isJson(flag))) return undefined
  const command = commands.find((each) => each.name === name || each.aliases?.includes(name))
  if (!command || (flag !== undefined && !command.flags?.some(({ flags }) => flags === '-j, --json'))) {
    return undefined
  }
  return { command, flags: flag === undefined ? {} : { json: true }, rest: [] }
}

/** Whether a word asks for JSON. */
export function isJson(word: string): boolean {
  return word === '--json' || word === '-j'
}

/** What the command of an invocation is run with. Throws `usage` for a wrong profile, or two of them. */
export function contextOf(invocation: Invocation, env: NodeJS.ProcessEnv): CommandContext {
  const { flags, named, rest } = invocation
  const flagged = typeof flags.profile === 'string' ? flags.profile : undefined
  if (named !== undefined && flagged !== undefined && profileName(flagged) !== profileName(named)) {
    throw new TcolimaError('usage', `two profiles are named: ${flagged} and ${named}`)
  }
  const host = currentHost({ env })
  return {
    host,
    home: tcolimaHome(env, homedir()),
    profile: profileName(named ?? flagged ?? env.TCOLIMA_PROFILE ?? ''),
    flags,
    rest,
    output: processOutput(
      {
        json: flags.json === true,
        noColour: flags.color === false,
        verbose: flags.verbose === true || flags.veryVerbose === true,
      },
      env,
    ),
  }
}
