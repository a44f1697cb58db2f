import type { Flag } from './command.ts'
import { noEffectFlags } from './no-effect.ts'

const boolean = ['true', 'false']

/** How the cluster is to be. */
export const kubernetesFlags: Flag[] = [
  { flags: '--kubernetes-version <release>', summary: 'release of k3s, such as v1.34.2+k3s1' },
  {
    flags: '--kubernetes-port <port>',
    summary: "port of this computer's loopback for its API (default: 6443 or a free one)",
    hidden: ['--k3s-listen-port <port>'],
  },
  {
    flags: '--kubernetes-join <profile>',
    summary: 'be a node of the cluster of another machine',
    values: 'profile',
  },
  {
    flags: '--k3s-arg <argument>',
    summary: 'argument for k3s server (default --disable=traefik)',
    list: true,
  },
]

/** Of commands that fetch artefacts. */
export const mirrorFlag: Flag = {
  flags: '--mirror <URL|DIR>',
  summary: 'where artefacts such as k3s come from (also TCOLIMA_MIRROR)',
}

/** The flags of commands that start: settings, and how to start. */
export const settings: Flag[] = [
  { flags: '-c, --cpus <count>', summary: 'processors', hidden: ['--cpu <count>'] },
  { flags: '-m, --memory <GiB>', summary: 'memory in GiB, fractions too' },
  { flags: '-d, --disk <GiB>', summary: 'size of the data disk in GiB' },
  {
    flags: '-a, --arch <name>',
    summary: 'processor architecture: host, x86_64, aarch64',
    values: ['host', 'x86_64', 'aarch64'],
  },
  {
    flags: '--distro <name>',
    summary: 'distribution of the guest: debian-13, debian-12',
    values: ['debian-13', 'debian-12'],
  },
  {
    flags: '-r, --runtime <name>',
    summary: 'container engine: docker, containerd, podman, none',
    values: ['docker', 'containerd', 'podman', 'none'],
  },
  {
    flags: '-V, --mount <DIR[:TARGET][:w]>',
    summary: 'folder to mount, `:w` writable; several with commas, or the flag again; none for no mounts',
    values: 'folder',
    list: true,
  },
  {
    flags: '--mount-type <name>',
    summary: 'how folders are mounted: sshfs, 9p, virtiofs',
    values: ['sshfs', '9p', 'virtiofs'],
  },
  {
    flags: '--mount-inotify [boolean]',
    summary: 'changes here reach watchers in the guest (default true)',
    values: boolean,
  },
  {
    flags: '--accel <name>',
    summary: 'accelerator: auto, kvm, hvf, tcg',
    values: ['auto', 'kvm', 'hvf', 'tcg'],
  },
  { flags: '--cpu-type <name>', summary: 'processor model of QEMU' },
  { flags: '--hostname <name>', summary: 'name of the guest' },
  { flags: '-n, --dns <IP>', summary: "name server in place of this computer's", list: true },
  {
    flags: '--dns-host <NAME=VALUE>',
    summary: 'name of your own: an IP address or another name',
    list: true,
  },
  {
    flags: '-s, --ssh-agent [boolean]',
    summary: "use this computer's SSH agent in the guest (default false)",
    values: boolean,
  },
  {
    flags: '--ssh-port <port>',
    summary: "this computer's port for SSH into the guest (default: a free one)",
  },
  {
    flags: '--ssh-config [boolean]',
    summary: 'show the guest in ~/.ssh/config (default true)',
    values: boolean,
  },
  { flags: '--root-disk <GiB>', summary: 'size of the system disk in GiB (default 20)' },
  { flags: '--env <NAME=VALUE>', summary: 'variable for everything in the guest', list: true },
  {
    flags: '--binfmt [boolean]',
    summary: 'programs and images of other processors run (default true)',
    values: boolean,
  },
  {
    flags: '--oci-runtime <name>',
    summary: 'what starts containers, for docker and podman: runc, crun',
    values: ['runc', 'crun'],
  },
  {
    flags: '--rootless [boolean]',
    summary: "podman runs as the guest's user (default false)",
    values: boolean,
  },
  {
    flags: '--ca-certificate <file>',
    summary: 'certificates that everything in the guest trusts',
    values: 'file',
    list: true,
  },
  { flags: '--param <NAME=VALUE>', summary: 'parameter of the settings or of a template', list: true },
  {
    flags: '-k, --kubernetes [boolean]',
    summary: 'Kubernetes (k3s) in the guest (default false)',
    hidden: ['--with-kubernetes [boolean]'],
    values: boolean,
  },
  ...kubernetesFlags,
  { flags: '--activate [boolean]', summary: 'point the docker client at it (default true)', values: boolean },
  {
    flags: '--template [NAME|file]',
    summary:
      'begin with the settings of a template (see `tcolima template list`); false: without the default one',
    values: 'file',
  },
  {
    flags: '--save-config [boolean]',
    summary: 'write the flags into the settings (default true)',
    values: boolean,
  },
  { flags: '-e, --edit', summary: 'edit the settings first, with $VISUAL or $EDITOR' },
  { flags: '--editor <command>', summary: 'the editor for --edit' },
  { flags: '-y, --yes', summary: 'install missing host packages without asking' },
  { flags: '--debian-mirror <URL>', summary: 'Debian mirror to build the guest image from' },
  mirrorFlag,
  ...noEffectFlags,
]
