import { Command as Commander, CommanderError, Option } from 'commander'
import { TcolimaError } from '../host/errors.ts'
import type { Command, Flag } from './command.ts'
import { commands, globalFlags } from './commands.ts'
import type { Invocation } from './invocation.ts'
import { version } from './version.ts'

/**
 * Takes apart a command line (without the program's name); gives undefined when it asked for help or the version, which
 * is then printed. Throws `usage` with the nearest right word.
 */
export async function parse(words: string[]): Promise<Invocation | undefined> {
  let found: Invocation | undefined
  const program = programOf(words, version(), (invocation) => (found = invocation))
  if (words.length === 0) {
    program.outputHelp()
    return undefined
  }
  try {
    const stranger = helplessWord(words)
    await program.parseAsync(stranger === undefined ? words : [stranger], { from: 'user' })
    return found
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return undefined
    throw usageError(error.message, words)
  }
}

/** The help of the whole program as a terminal of that many columns gets it. */
export function programHelp(columns: number): string {
  let text = ''
  programOf([], '', () => undefined)
    .configureOutput({ getOutHelpWidth: () => columns, writeOut: (part) => (text += part) })
    .outputHelp()
  return text
}

function programOf(words: string[], own: string, take: (invocation: Invocation) => void): Commander {
  const program = new Commander('tcolima')
    .description('Linux machines for containers on macOS and Linux')
    .version(own, '--version', 'print the version')
    .enablePositionalOptions()
    .exitOverride()
    .showSuggestionAfterError()
    // Errors have one renderer, and it is not this one.
    .configureOutput({ outputError: () => undefined })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 wrong usage or config, 3 not running or not found.',
    )
  addGlobals(program)
  for (const command of commands) addCommand(program, words, command, take)
  return program
}

/** What stands for a command where help is asked for and there is no such command: commander would give its own help then. */
function helplessWord(words: string[]): string | undefined {
  const [first, second] = words
  const asksHelp = words.includes('--help') || words.includes('-h')
  const asked = first === 'help' ? second : asksHelp ? first : undefined
  if (asked === undefined || asked.startsWith('-')) return undefined
  // `help help`
  if (asked === 'help') return 'help'
  return commands.some(({ name, aliases }) => name === asked || aliases?.includes(asked)) ? undefined : asked
}

// Commands of Colima that cannot be here, and why.
const notHere: Record<string, string> = {
  model:
    "Colima runs models in its krunkit machines, which have a part of the Mac's graphics processor; QEMU has none.",
}

function usageError(text: string, words: string[]): TcolimaError {
  const { message = '', guess } =
    /^(?:error: )?(?<message>.*?)(?:\n\((?<guess>Did you mean .*)\))?$/s.exec(text)?.groups ?? {}
  const command = commands.find(({ name }) => name === words[0])
  const hint =
    notHere[words[0] ?? ''] ?? guess ?? `See \`tcolima ${command ? `${command.name} ` : ''}--help\`.`
  return new TcolimaError('usage', message || 'no command was given', { hint })
}

function addGlobals(command: Commander): void {
  for (const flag of globalFlags) addFlag(command, flag)
}

function addFlag(command: Commander, flag: Flag): void {
  for (const [at, spelling] of [flag.flags, ...(flag.hidden ?? [])].entries()) {
    const option = new Option(spelling, flag.summary).hideHelp(at > 0 || flag.unlisted === true)
    if (flag.list)
      option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value])
    command.addOption(option)
  }
}

function addCommand(
  program: Commander,
  words: string[],
  command: Command,
  take: (invocation: Invocation) => void,
): void {
  const sub = program
    .command(command.name)
    .aliases(command.aliases ?? [])
    .summary(command.summary)
    .description(command.summary)
    .helpGroup(`${command.group}:`)
  if (command.args !== undefined) sub.arguments(command.args)
  if (command.passThrough) sub.passThroughOptions().allowUnknownOption()
  for (const flag of command.flags ?? []) addFlag(sub, flag)
  addGlobals(sub)
  if (command.examples)
    sub.addHelpText('after', `\nExamples:\n${command.examples.map((each) => `  ${each}\n`).join('')}`)
  sub.action(() => {
    refuseForeign(command, sub)
    // `--no-color` has a value (true) where it was not given: it must not hide the one that was.
    const colour = program.opts().color === false ? { color: false } : {}
    const positional = sub.args
    const takesProfile = command.args?.startsWith('[profile]') === true
    // `ssh -- command` and `ssh -p work -- command`: what stands behind `--` is never a profile.
    const named = takesProfile && beforeSeparator(words, positional) > 0 ? positional[0] : undefined
    take({
      command,
      flags: { ...program.opts(), ...sub.opts(), ...colour },
      named,
      rest: named === undefined ? positional : positional.slice(1),
    })
  })
}

/** Throws `usage` for a flag of another action than the one given: it would have no effect. */
function refuseForeign({ name, flags = [] }: Command, sub: Commander): void {
  const [action = ''] = sub.args
  for (const { flags: spec, of } of flags) {
    if (of === undefined || of.includes(action)) continue
    const option = sub.options.find(({ flags }) => flags === spec)
    if (option === undefined || sub.getOptionValueSource(option.attributeName()) !== 'cli') continue
    const whole = (word: string) => `tcolima ${name} ${word}`.trimEnd()
    throw new TcolimaError('usage', `${option.long ?? spec} has no effect with \`${whole(action)}\``, {
      hint: `It belongs to ${of.map((word) => `\`${whole(word)}\``).join(' and ')}.`,
    })
  }
}

/** How many of the positional arguments stood before the first `--`. */
function beforeSeparator(words: string[], positional: string[]): number {
  const at = words.indexOf('--')
  return at < 0 ? positional.length : positional.length - (words.length - at - 1)
}
