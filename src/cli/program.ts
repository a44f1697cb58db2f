import { homedir } from 'node:os'
import { Command as Commander, CommanderError, Option } from 'commander'
import { tcolimaHome } from '../config/home.ts'
import { profileName } from '../config/profile.ts'
import { TcolimaError } from '../host/errors.ts'
import { currentHost } from '../host/platform.ts'
import type { Command, CommandContext } from './command.ts'
import { commands } from './commands.ts'
import { processOutput, renderError } from './render/output.ts'
import { version } from './version.ts'

/** Runs a command line (without the program's name); gives the exit code. Never throws. */
export async function main(words: string[]): Promise<number> {
  // A reader that went away (`| head`) is no error of ours.
  process.stdout.on('error', () => process.exit(141))
  let code = 0
  const program = new Commander('tcolima')
    .description('Linux machines for containers on macOS and Linux')
    .version(version(), '--version', 'print the version')
    .enablePositionalOptions()
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 wrong usage or config, 3 not running or not found.',
    )
  addGlobals(program)
  for (const command of commands) {
    addCommand(program, command, async (context) => {
      code = await runCommand(command, context)
    })
  }
  if (words.length === 0) {
    program.outputHelp()
    return 0
  }
  try {
    await program.parseAsync(words, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    return renderError(processOutput(words.includes('--json'), false, process.env), TcolimaError.from(error))
  }
}

async function runCommand(command: Command, context: CommandContext): Promise<number> {
  try {
    const { run } = await command.load()
    return await run(context)
  } catch (error) {
    return renderError(context.output, TcolimaError.from(error))
  }
}

function addGlobals(command: Commander): void {
  command.option('-p, --profile <name>', 'the machine to work on (also TCOLIMA_PROFILE)')
  command.addOption(new Option('--no-color', 'no colours (also NO_COLOR)'))
}

function addCommand(
  program: Commander,
  command: Command,
  run: (context: CommandContext) => Promise<void>,
): void {
  const sub = program
    .command(command.name)
    .aliases(command.aliases ?? [])
    .summary(command.summary)
    .description(command.summary)
    .helpGroup(`${command.group}:`)
    .exitOverride()
    .showSuggestionAfterError()
  if (command.args !== undefined) sub.arguments(command.args)
  for (const flag of command.flags ?? []) {
    const add = (flags: string, hidden: boolean) => {
      const option = new Option(flags, flag.summary).hideHelp(hidden)
      if (flag.list)
        option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value])
      sub.addOption(option)
    }
    add(flag.flags, false)
    for (const spelling of flag.hidden ?? []) add(spelling, true)
  }
  addGlobals(sub)
  if (command.examples)
    sub.addHelpText('after', `\nExamples:\n${command.examples.map((each) => `  ${each}\n`).join('')}`)
  sub.action(async (...args: unknown[]) => {
    const flags = { ...program.opts(), ...sub.opts() } as Record<string, unknown>
    const positional = sub.args
    const takesProfile = command.args?.startsWith('[profile]') === true
    // `ssh -- command` and `ssh -p work -- command`: what stands behind `--` is never a profile.
    const separator = args.length > 0 ? behindSeparator(program, positional) : positional.length
    const named = takesProfile && separator > 0 ? positional[0] : undefined
    if (
      named !== undefined &&
      typeof flags.profile === 'string' &&
      profileName(flags.profile) !== profileName(named)
    ) {
      throw new TcolimaError('usage', `two profiles are named: ${flags.profile} and ${named}`)
    }
    const host = currentHost()
    const output = processOutput(flags.json === true, flags.color === false, process.env)
    await run({
      host,
      home: tcolimaHome(process.env, homedir()),
      profile: profileName(
        named ?? (flags.profile as string | undefined) ?? process.env.TCOLIMA_PROFILE ?? '',
      ),
      flags,
      rest: named === undefined ? positional : positional.slice(1),
      output,
    })
  })
}

/** How many of the positional arguments stood before the first `--`. */
function behindSeparator(program: Commander, positional: string[]): number {
  const raw = (program as unknown as { rawArgs: string[] }).rawArgs
  const at = raw.indexOf('--')
  if (at < 0) return positional.length
  return positional.length - (raw.length - at - 1)
}
