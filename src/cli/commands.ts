import type { Command, Flag } from './command.ts'
import { settings } from './setting-flags.ts'
import { settingsCommands } from './settings-commands.ts'
import { shells } from './shells.ts'

/** The flags that every command takes. */
export const globalFlags: Flag[] = [
  {
    flags: '-p, --profile <name>',
    summary: 'the machine to work on (also TCOLIMA_PROFILE)',
    values: 'profile',
  },
  {
    flags: '--verbose',
    summary: 'tell more: what a step does, and where an error comes from',
    hidden: ['--very-verbose'],
  },
  { flags: '--no-color', summary: 'no colours (also NO_COLOR)' },
]

const json: Flag = { flags: '-j, --json', summary: 'print JSON for programs' }
const force = (summary: string): Flag => ({ flags: '-f, --force', summary })

const mirror: Flag = {
  flags: '--mirror <URL|DIR>',
  summary: 'where artefacts such as k3s come from (also TCOLIMA_MIRROR)',
}

const debianMirror: Flag = {
  flags: '--debian-mirror <URL>',
  summary: 'Debian mirror to build the guest image from',
}

/** Every command of tcolima. */
export const commands: Command[] = [
  {
    name: 'start',
    group: 'Machine',
    summary: 'make the machine when it is new, boot it, wait until its engine answers',
    args: '[profile]',
    flags: [
      ...settings,
      {
        flags: '-f, --foreground',
        summary: 'stay until Ctrl-C, or the end of the machine, and stop it then',
      },
      json,
    ],
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
    flags: [{ flags: '-e, --extended', summary: 'its files, processes and image too' }, json],
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
  ...settingsCommands,
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
    aliases: ['exec', 'x'],
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
    flags: [
      {
        flags: '-f, --format <name>',
        summary: '`config` (default), or `cmd` for a command line of ssh',
        values: ['config', 'cmd'],
      },
    ],
    load: () => import('./commands/ssh-config.ts'),
  },
  {
    name: 'cp',
    group: 'Use',
    summary: 'copy files and folders into the guest or out of it, with their modes and times',
    args: '<path...>',
    argValues: { path: 'file' },
    flags: [json],
    examples: [
      'tcolima cp notes.txt guest:',
      'tcolima cp -p work ~/data guest:/tmp/data',
      'tcolima cp work:/etc/hosts work:.bashrc .',
    ],
    load: () => import('./commands/cp.ts'),
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
    name: 'events',
    group: 'Use',
    summary: 'tell what happens: machines, mounts and ports; first what there is',
    args: '[machine]',
    argValues: { machine: 'profile' },
    flags: [json],
    examples: ['tcolima events', 'tcolima events work --json'],
    load: () => import('./commands/events.ts'),
  },
  {
    name: 'logs',
    group: 'Use',
    summary: 'what the agent, QEMU, the console of the guest or its engine said',
    args: '[profile]',
    flags: [
      { flags: '-f, --follow', summary: 'go on with what comes' },
      { flags: '-n, --lines <count>', summary: 'how many lines (default 100)' },
      {
        flags: '--source <name>',
        summary: 'agent (default), qemu, serial, docker, containerd, podman, kubelet',
        values: ['agent', 'qemu', 'serial', 'docker', 'containerd', 'podman', 'kubelet'],
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
    name: 'update',
    aliases: ['u', 'up'],
    group: 'Machine',
    summary: 'bring the engine in the guest to its newest version',
    args: '[profile]',
    flags: [json],
    load: () => import('./commands/update.ts'),
  },
  {
    name: 'clone',
    group: 'Data',
    summary: 'make a second machine like a stopped one, with a copy of all it holds',
    args: '<profile> [new]',
    argValues: { profile: 'profile' },
    flags: [json],
    examples: ['tcolima clone default test', 'tcolima clone test    # of the default machine'],
    load: () => import('./commands/clone.ts'),
  },
  {
    name: 'rename',
    group: 'Data',
    summary: 'give a stopped machine another name; contexts and ssh names follow',
    args: '<profile> [new]',
    argValues: { profile: 'profile' },
    flags: [json],
    examples: ['tcolima rename test work'],
    load: () => import('./commands/rename.ts'),
  },
  {
    name: 'protect',
    group: 'Data',
    summary: 'have `delete` refuse this machine',
    args: '[profile]',
    flags: [json],
    load: () => import('./commands/protect.ts'),
  },
  {
    name: 'unprotect',
    group: 'Data',
    summary: 'let `delete` take this machine again',
    args: '[profile]',
    flags: [json],
    load: () => import('./commands/unprotect.ts'),
  },
  {
    name: 'disk',
    group: 'Data',
    summary: 'what the disks take, give space back to this computer, make the data disk larger',
    args: '<action> [what]',
    argValues: { action: ['usage', 'trim', 'compact', 'resize'], what: 'profile' },
    flags: [json],
    examples: [
      'tcolima disk usage',
      'tcolima disk trim work        # while it runs',
      'tcolima disk compact work     # while it is stopped',
      'tcolima disk resize 200 -p work',
    ],
    load: () => import('./commands/disk.ts'),
  },
  {
    name: 'image',
    group: 'Data',
    summary: 'list the guest images, build the one a machine needs, remove those no machine uses',
    args: '<action> [profile]',
    argValues: { action: ['list', 'build', 'prune'] },
    flags: [
      { flags: '-y, --yes', summary: 'build: install missing host packages without asking' },
      debianMirror,
      force('prune: do not ask'),
      json,
    ],
    examples: ['tcolima image list', 'tcolima image build work', 'tcolima image prune'],
    load: () => import('./commands/image.ts'),
  },
  {
    name: 'prune',
    group: 'Data',
    summary: 'remove what is only kept to be faster: images no machine uses, what builds left',
    flags: [
      { flags: '-a, --all', summary: 'former system disks of stopped machines too' },
      force('do not ask'),
      json,
    ],
    load: () => import('./commands/prune.ts'),
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
