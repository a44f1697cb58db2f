import type { Command, Flag } from './command.ts'
import { settings } from './setting-flags.ts'
import { shells } from './shells.ts'

/** The flags that every command takes. */
export const globalFlags: Flag[] = [
  {
    flags: '-p, --profile <name>',
    summary: 'the machine to work on (also TCOLIMA_PROFILE)',
    values: 'profile',
  },
  { flags: '--verbose', summary: 'tell more: what a step does, and where an error comes from' },
  { flags: '--no-color', summary: 'no colours (also NO_COLOR)' },
]

const json: Flag = { flags: '--json', summary: 'print JSON for programs' }
const force = (summary: string): Flag => ({ flags: '-f, --force', summary })

const mirror: Flag = {
  flags: '--mirror <URL|DIR>',
  summary: 'where artefacts such as k3s come from (also TCOLIMA_MIRROR)',
}

/** Every command of tcolima. */
export const commands: Command[] = [
  {
    name: 'start',
    group: 'Machine',
    summary: 'make the machine when it is new, boot it, wait until its engine answers',
    args: '[profile]',
    flags: [...settings, json],
    examples: [
      'tcolima start --cpus 6 --memory 12',
      'tcolima start work --mount ~/src:w',
      'tcolima start --edit',
    ],
    load: () => import('./commands/start.ts'),
  },
  {
    name: 'stop',
    group: 'Machine',
    summary: 'power the machine off',
    args: '[profile]',
    flags: [force('do not wait for the guest'), json],
    load: () => import('./commands/stop.ts'),
  },
  {
    name: 'restart',
    group: 'Machine',
    summary: 'stop and start',
    args: '[profile]',
    flags: [...settings, json, force('do not wait for the guest')],
    load: () => import('./commands/restart.ts'),
  },
  {
    name: 'delete',
    aliases: ['rm'],
    group: 'Machine',
    summary: 'remove the machine; its data disk stays unless --data',
    args: '[profile]',
    flags: [
      force('do not ask'),
      { flags: '--data', summary: 'remove images, containers and volumes too' },
      json,
    ],
    load: () => import('./commands/delete.ts'),
  },
  {
    name: 'status',
    group: 'Machine',
    summary: 'what runs, its mounts and ports; exit code 3 when it does not run',
    args: '[profile]',
    flags: [json],
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'list',
    aliases: ['ls'],
    group: 'Machine',
    summary: 'all machines',
    flags: [json],
    load: () => import('./commands/list.ts'),
  },
  {
    name: 'mount',
    group: 'Machine',
    summary: 'list the mounts, add or remove one while the machine runs',
    args: '<action> [path]',
    argValues: { action: ['list', 'add', 'remove'], path: 'folder' },
    flags: [
      { flags: '--save', summary: 'write it into tcolima.yaml too; enough when the machine is stopped' },
      force('remove: also when something in the guest uses it'),
      json,
    ],
    examples: [
      'tcolima mount list',
      'tcolima mount add ~/src:w --save',
      'tcolima mount add /data:/mnt/data -p work',
      'tcolima mount remove /mnt/data -p work',
    ],
    load: () => import('./commands/mount.ts'),
  },
  {
    name: 'ports',
    group: 'Machine',
    summary: 'which ports and sockets of the guest appear where, and why one does not',
    args: '[profile]',
    flags: [{ flags: '-w, --watch', summary: 'go on with each change' }, json],
    examples: ['tcolima ports', 'tcolima ports work --watch'],
    load: () => import('./commands/ports.ts'),
  },
  {
    name: 'ssh',
    group: 'Use',
    summary: 'a shell or a command in the guest, in the current folder',
    args: '[profile] [command...]',
    flags: [{ flags: '-t, --tty', summary: 'give the command a terminal' }],
    examples: ['tcolima ssh', 'tcolima ssh -- uname -a', 'tcolima ssh work -- sudo apt-get install -y htop'],
    load: () => import('./commands/ssh.ts'),
  },
  {
    name: 'ssh-config',
    group: 'Use',
    summary: 'print settings for the OpenSSH client',
    args: '[profile]',
    load: () => import('./commands/ssh-config.ts'),
  },
  {
    name: 'env',
    group: 'Use',
    summary: 'print what points a shell at the engine, for `eval`',
    args: '[profile]',
    flags: [
      { flags: '--shell <name>', summary: "the shell's language; yours unless told", values: shells },
      { flags: '-u, --unset', summary: 'print what takes it back' },
      json,
    ],
    examples: [
      'eval "$(tcolima env)"',
      'tcolima env work --shell fish | source',
      'eval "$(tcolima env --unset)"',
    ],
    load: () => import('./commands/env.ts'),
  },
  {
    name: 'logs',
    group: 'Use',
    summary: 'what the agent, QEMU or the console of the guest said',
    args: '[profile]',
    flags: [
      { flags: '-f, --follow', summary: 'go on with what comes' },
      { flags: '-n, --lines <count>', summary: 'how many lines (default 100)' },
      {
        flags: '--source <name>',
        summary: 'agent (default), qemu or serial',
        values: ['agent', 'qemu', 'serial'],
      },
    ],
    load: () => import('./commands/logs.ts'),
  },
  {
    name: 'artifacts',
    group: 'Use',
    summary: 'list or fetch what comes from other projects: k3s, its images, nerdctl',
    args: '<action> [names...]',
    flags: [{ flags: '--all', summary: 'fetch: everything, for all architectures' }, mirror, json],
    examples: [
      'tcolima artifacts list',
      'tcolima artifacts fetch --all',
      'tcolima artifacts fetch k3s k3s-images --mirror /media/stick',
    ],
    load: () => import('./commands/artifacts.ts'),
  },
  {
    name: 'doctor',
    group: 'Help',
    summary: 'what is wrong with this host, and how to mend it',
    flags: [json],
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'completion',
    group: 'Help',
    summary: 'print the script that completes commands, flags, profiles and values in a shell',
    args: '<shell>',
    argValues: { shell: shells },
    examples: [
      'source <(tcolima completion bash)    # in ~/.bashrc',
      'source <(tcolima completion zsh)     # in ~/.zshrc, after compinit',
      'tcolima completion fish > ~/.config/fish/completions/tcolima.fish',
      'tcolima completion powershell | Out-String | Invoke-Expression',
    ],
    load: () => import('./commands/completion.ts'),
  },
  {
    name: 'version',
    group: 'Help',
    summary: 'print the version',
    flags: [json],
    load: () => import('./commands/version.ts'),
  },
]
