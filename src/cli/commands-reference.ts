import type { Flag } from './command.ts'
import { commands, globalFlags } from './commands.ts'

/** docs/commands.md: every command with what it takes. Pure. */
export function commandsReference(): string {
  const groups = [...new Set(commands.map(({ group }) => group))]
  const parts = groups.flatMap((group) => [
    `## ${group}`,
    ...commands.filter((command) => command.group === group).map(commandPart),
  ])
  return [
    '<!-- Written by scripts/generate.mjs out of src/cli/commands.ts; do not edit. -->',
    '# Commands',
    'Every command takes these:',
    flagTable(globalFlags),
    'Exit codes: 0 done, 1 failed, 2 wrong usage or config, 3 not running or not found. `ssh` passes the status of its command on.',
    ...parts,
  ]
    .join('\n\n')
    .concat('\n')
}

function commandPart(command: (typeof commands)[number]): string {
  const { name, aliases = [], args, summary, flags = [], examples = [] } = command
  const others = aliases.length === 0 ? '' : ` Also ${aliases.map((alias) => `\`${alias}\``).join(', ')}.`
  const listed = flags.filter(({ unlisted }) => !unlisted)
  return [
    `### tcolima ${name}${args === undefined ? '' : ` ${args}`}`.replaceAll('<', String.raw`\<`),
    `${summary[0]?.toUpperCase()}${summary.slice(1)}.${others}`,
    ...(listed.length === 0 ? [] : [flagTable(listed)]),
    ...(examples.length === 0 ? [] : [`\`\`\`sh\n${examples.join('\n')}\n\`\`\``]),
  ].join('\n\n')
}

function flagTable(flags: readonly Flag[]): string {
  const rows = flags.map(({ flags: spec, summary }) => `| ${code(spec)} | ${cell(summary)} |`)
  return ['| flag | what it does |', '| --- | --- |', ...rows].join('\n')
}

function code(words: string): string {
  return `\`${cell(words)}\``
}

function cell(words: string): string {
  return words.replaceAll('|', String.raw`\|`)
}
