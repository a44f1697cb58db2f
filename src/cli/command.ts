import type { Host } from '../host/platform.ts'
import type { Output } from './render/output.ts'

/** What may stand somewhere, for completion: these words, or what of that kind there is. */
export type Values = readonly string[] | 'file' | 'folder' | 'profile'

/** A command as data: all of the command line, its help and its parser come from these. */
export interface Command {
  name: string
  aliases?: string[]
  group: 'Machine' | 'Use' | 'Data' | 'Help'
  summary: string
  /** Positional arguments in commander's notation. */
  args?: string
  /** What the positional arguments take, by their names in `args`; `profile` is known. */
  argValues?: Record<string, Values>
  /** Whether what comes after the first positional argument is another program's, options too. */
  passThrough?: boolean
  flags?: Flag[]
  examples?: string[]
  /** Loads what runs it: only then are its modules read. */
  load: () => Promise<{ run: (context: CommandContext) => Promise<number> }>
}

export interface Flag {
  /** In commander's notation: `-m, --memory <GiB>`. */
  flags: string
  summary: string
  /** Other spellings that stay out of the help. */
  hidden?: string[]
  /** Not in the help either. */
  unlisted?: boolean
  /** May be given several times. */
  list?: boolean
  /** What its value may be. */
  values?: Values
  /** The actions of its command that it belongs to, '' for none of them named; all where absent. */
  of?: readonly string[]
}

/** What a command is run with. */
export interface CommandContext {
  host: Host
  /** The tcolima home. */
  home: string
  profile: string
  /** Flags by their long names in camel case. */
  flags: Record<string, unknown>
  /** Positional arguments after the profile, as given. */
  rest: string[]
  output: Output
}

/** A flag that is on or off. */
export function isOn(context: CommandContext, name: string): boolean {
  return context.flags[name] === true
}

/** The text of a flag, undefined where it was not given. */
export function textOf(context: CommandContext, name: string): string | undefined {
  const value = context.flags[name]
  return typeof value === 'string' ? value : undefined
}
