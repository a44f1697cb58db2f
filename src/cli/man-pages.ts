import type { Command, Flag } from './command.ts'
import { commands, globalFlags } from './commands.ts'

/** The manual pages of tcolima (man(7)) by their file names: one of the whole, and one for each command. Pure. */
export function manPages(version: string): Record<string, string> {
  const pages = commands.map((command) => [`tcolima-${command.name}.1`, commandPage(command, version)])
  return { 'tcolima.1': mainPage(version), ...Object.fromEntries(pages) }
}

function mainPage(version: string): string {
  const groups = [...new Set(commands.map(({ group }) => group))]
  return [
    head('tcolima', version, 'Linux machines for containers on macOS and Linux'),
    '.SH SYNOPSIS\n.B tcolima\n[\\fIoptions\\fR] \\fIcommand\\fR [\\fIarguments\\fR]\n',
    ...groups.flatMap((group) => [
      `.SH "${text(group.toUpperCase())} COMMANDS"\n`,
      ...commands
        .filter((command) => command.group === group)
        .map(({ name, summary }) => `.TP\n.BR tcolima\\-${text(name)} (1)\n${line(summary)}`),
    ]),
    '.SH OPTIONS\n',
    ...globalFlags.map(flagEntry),
    '.SH ENVIRONMENT\n',
    `.TP\n.B TCOLIMA_HOME\n${line('where everything is kept; ~/.tcolima unless set')}`,
    `.TP\n.B TCOLIMA_PROFILE\n${line('the machine to work on')}`,
    `.TP\n.B NO_COLOR\n${line('no colours')}`,
    '.SH "EXIT STATUS"\n',
    ...[
      ['0', 'done'],
      ['1', 'failed'],
      ['2', 'wrong usage or configuration'],
      ['3', 'the machine does not run, or there is none'],
    ].map(([code, what]) => `.TP\n.B ${code}\n${line(what ?? '')}`),
    line('tcolima-ssh passes the exit status of its command on.').replace(/^/, '.PP\n'),
  ].join('')
}

function commandPage(command: Command, version: string): string {
  const { name, aliases = [], summary, args, flags = [], examples = [] } = command
  const listed = flags.filter(({ unlisted }) => !unlisted)
  return [
    head(`tcolima-${name}`, version, summary),
    `.SH SYNOPSIS\n.B tcolima ${text(name)}\n[\\fIoptions\\fR]${args === undefined ? '' : ` ${text(args)}`}\n`,
    ...(aliases.length === 0
      ? []
      : [`.SH "OTHER NAMES"\n${line(aliases.map((alias) => `tcolima ${alias}`).join(', '))}`]),
    '.SH OPTIONS\n',
    ...[...listed, ...globalFlags].map(flagEntry),
    ...(examples.length === 0
      ? []
      : ['.SH EXAMPLES\n.nf\n', ...examples.map((example) => line(example)), '.fi\n']),
    '.SH "SEE ALSO"\n.BR tcolima (1)\n',
  ].join('')
}

function head(name: string, version: string, summary: string): string {
  const title = text(name)
  return `.TH "${title.toUpperCase()}" 1 "" "tcolima ${text(version)}"\n.SH NAME\n${title} \\- ${text(summary)}\n`
}

function flagEntry({ flags, summary, values }: Flag): string {
  const takes = Array.isArray(values) ? ` (${values.join(', ')})` : ''
  const known = values !== undefined && summary.includes(String(values.at(0))) ? '' : takes
  return `.TP\n.B ${text(flags)}\n${line(summary + known)}`
}

/** A line of text that no request of roff begins. */
function line(words: string): string {
  const escaped = text(words)
  return `${/^[.']/.test(escaped) ? String.raw`\&` : ''}${escaped}\n`
}

/** Text as roff takes it for itself: a minus, not a hyphen, and no escapes. */
function text(words: string): string {
  return words
    .replaceAll('\\', String.raw`\e`)
    .replaceAll('-', String.raw`\-`)
    .replaceAll('"', String.raw`\(dq`)
}
