import type { Command, Flag } from './command.ts'

const editor: Flag = { flags: '--editor <command>', summary: 'the editor, in place of $VISUAL or $EDITOR' }
const json: Flag = { flags: '-j, --json', summary: 'print JSON for programs' }

/** The commands that look at settings and change them. */
export const settingsCommands: Command[] = [
  {
    name: 'edit',
    group: 'Machine',
    summary: 'edit the settings of a machine',
    args: '[profile]',
    flags: [editor, json],
    load: () => import('./commands/edit.ts'),
  },
  {
    name: 'config',
    group: 'Machine',
    summary: 'get, set or check settings, or print their JSON Schema',
    args: '<action> [words...]',
    argValues: { action: ['get', 'set', 'validate', 'schema'], words: 'file' },
    flags: [json],
    examples: [
      'tcolima config get memory',
      'tcolima config set cpu 4 -p work',
      'tcolima config set network.dns "[1.1.1.1, 9.9.9.9]"',
      'tcolima config validate ./tcolima.yaml',
      'tcolima config schema >tcolima.schema.json',
    ],
    load: () => import('./commands/config.ts'),
  },
  {
    name: 'template',
    aliases: ['tmpl', 'tpl', 't'],
    group: 'Machine',
    summary: 'edit the settings that new machines begin with, or list templates',
    args: '[action]',
    argValues: { action: ['list'] },
    flags: [
      { flags: '--print', summary: 'print the path of the file, without editing it', of: [''] },
      { ...editor, of: [''] },
      json,
    ],
    examples: ['tcolima template', 'tcolima template list', 'tcolima start small --template small'],
    load: () => import('./commands/template.ts'),
  },
]
