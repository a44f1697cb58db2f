import type { Command, Flag, Values } from './command.ts'
import { argNames, type FlagSpec, flagSpec } from './flag-spec.ts'

/** A word that could stand there. */
export interface Candidate {
  word: string
  /** What it is, as a phrase. */
  about: string
}

/** What could stand at the end of a command line. */
export interface Completion {
  candidates: readonly Candidate[]
  /** Paths could too; the shell knows best which there are. */
  paths: 'none' | 'file' | 'folder'
  /** What of the last word is not completed by them: `--runtime=` in `--runtime=do`. */
  kept: string
}

/** What completion chooses from. */
export interface Known {
  commands: readonly Command[]
  globals: readonly Flag[]
  /** Asked only where a profile may stand. */
  profiles: () => Candidate[]
}

const help: Flag = { flags: '-h, --help', summary: 'help' }

/** Completes a command line (without the program's name), whose last word, perhaps empty, is not finished. Pure. */
export function complete(words: readonly string[], known: Known): Completion {
  const last = words.at(-1) ?? ''
  const line = readLine(words.slice(0, -1), known)
  if (line.separator) return nothing
  if (line.valueOf && !isLeftOut(line.valueOf, last)) return valuesFor(line.valueOf.values, last, known)
  const assigned = /^(?<kept>(?<flag>--[\w-]+)=)(?<value>.*)$/s.exec(last)?.groups
  if (assigned) {
    const { kept = '', flag: name, value = '' } = assigned
    const flag = line.flags.find((each) => flagSpec(each).long === name)
    return { ...valuesFor(flag?.values, value, known), kept }
  }
  if (last.startsWith('-')) return { ...nothing, candidates: flagWords(last, line) }
  if (!line.command) return { ...nothing, candidates: commandWords(last, known) }
  const { names, rest } = argNames(line.command.args)
  const name = names[rest ? Math.min(line.positional, names.length - 1) : line.positional]
  if (name === undefined) return nothing
  return valuesFor(
    line.command.argValues?.[name] ?? (name === 'profile' ? 'profile' : undefined),
    last,
    known,
  )
}

const nothing: Completion = { candidates: [], paths: 'none', kept: '' }

interface Line {
  command: Command | undefined
  flags: Flag[]
  used: Set<string>
  /** How many positional arguments stand before. */
  positional: number
  /** The flag whose value comes next. */
  valueOf: Flag | undefined
  separator: boolean
}

function readLine(words: readonly string[], { commands, globals }: Known): Line {
  const flags = [...globals, help]
  const line: Line = {
    command: undefined,
    flags,
    used: new Set(),
    positional: 0,
    valueOf: undefined,
    separator: false,
  }
  for (const word of words) {
    if (line.valueOf && !isLeftOut(line.valueOf, word)) {
      line.valueOf = undefined
      continue
    }
    line.valueOf = undefined
    if (word === '--') return { ...line, separator: true }
    if (word.startsWith('-')) {
      const [name = ''] = word.split('=')
      const flag = line.flags.find((each) => isNamed(flagSpec(each), name))
      if (!flag) continue
      line.used.add(flag.flags)
      if (flagSpec(flag).value !== 'none' && !word.includes('=')) line.valueOf = flag
    } else if (line.command) line.positional++
    else {
      line.command = commands.find(({ name, aliases }) => name === word || aliases?.includes(word))
      if (!line.command) return { ...line, separator: true }
      line.flags = [...(line.command.flags ?? []), ...flags]
    }
  }
  return line
}

/** Whether another flag follows where a value could have. */
function isLeftOut(flag: Flag, word: string): boolean {
  return flagSpec(flag).value === 'optional' && word.startsWith('-')
}

function isNamed({ short, long }: FlagSpec, name: string): boolean {
  return name === short || name === long
}

function commandWords(last: string, { commands }: Known): Candidate[] {
  return commands
    .filter(({ name }) => name.startsWith(last))
    .map(({ name, summary }) => ({ word: name, about: summary }))
}

function flagWords(last: string, { flags, used }: Line): Candidate[] {
  return flags
    .filter((flag) => flag.unlisted !== true && (flag.list || !used.has(flag.flags)))
    .map((flag) => ({ word: flagSpec(flag).long, about: flag.summary }))
    .filter(({ word }) => word.startsWith(last))
}

function valuesFor(values: Values | undefined, last: string, { profiles }: Known): Completion {
  if (values === undefined) return nothing
  if (values === 'file' || values === 'folder') return { ...nothing, paths: values }
  const all = values === 'profile' ? profiles() : values.map((word) => ({ word, about: '' }))
  return { ...nothing, candidates: all.filter(({ word }) => word.startsWith(last)) }
}
