import type { Config } from './schema.ts'

/** What the schema and the documentation say of a key. */
export interface KeyReference {
  text: string
  /** Flags of `tcolima start` that set it. */
  flag?: string
  /** The setting it is, for when it can change (changes.ts); absent for keys within others and those without effect. */
  setting?: keyof Config
  default?: unknown
  /** JSON Schema of its values where zod's does not say it: those that functions check. */
  json?: Record<string, unknown>
}

const size = (text: string) => ({
  anyOf: [
    { type: 'number', exclusiveMinimum: 0 },
    { type: 'string', pattern: '^\\d+(\\.\\d+)?\\s*([KMGT]i?B?)?$' },
  ],
  examples: [text],
})
const noEffect = 'A setting of Colima without effect here: '

/** Every key of tcolima.yaml, in the order of the schema; `[]` stands for the entries of a list. */
export const reference: Record<string, KeyReference> = {
  cpu: {
    text: 'Virtual processors.',
    flag: '--cpus, --cpu, -c',
    setting: 'cpus',
    default: 2,
    json: { type: 'integer', minimum: 1 },
  },
  memory: {
    text: 'Memory: GiB, fractions too, or text with a unit.',
    flag: '--memory, -m',
    setting: 'memory',
    default: 2,
    json: size('512MiB'),
  },
  disk: {
    text: 'Size of the data disk, which holds images, containers and volumes: whole GiB, or text with a unit.',
    flag: '--disk, -d',
    setting: 'disk',
    default: 100,
    json: size('200GiB'),
  },
  arch: {
    text: 'Processor architecture of the guest.',
    flag: '--arch, -a',
    setting: 'arch',
    default: 'host',
    json: { enum: ['host', 'x86_64', 'amd64', 'aarch64', 'arm64'] },
  },
  distro: {
    text: 'The Linux distribution of the guest, and its release.',
    flag: '--distro',
    setting: 'distro',
    default: 'debian-13',
    json: { enum: ['debian-13', 'debian-12'] },
  },
  runtime: {
    text: 'The container engine; `none`: a plain Linux machine.',
    flag: '--runtime, -r',
    setting: 'runtime',
    default: 'docker',
    json: { enum: ['docker', 'containerd', 'podman', 'none'] },
  },
  mounts: {
    text: 'Folders of this computer in the guest. An empty list mounts the home folder, writable; null mounts nothing. They change at once with the mount type sshfs only.',
    flag: '--mount, -V',
    setting: 'mounts',
    default: [],
  },
  'mounts[].location': { text: 'The folder: an absolute path, or one that begins with ~.' },
  'mounts[].mountPoint': { text: 'Its place in the guest; the same path where it is not given.' },
  'mounts[].writable': { text: 'Whether the guest may change it.' },
  mountType: {
    text: 'How folders are mounted, see mounts.md.',
    flag: '--mount-type',
    setting: 'mountType',
    default: 'sshfs',
    json: { enum: ['', 'sshfs', '9p', 'virtiofs'] },
  },
  mountInotify: {
    text: 'Whether changes on this computer reach programs in the guest that watch for them (sshfs only).',
    flag: '--mount-inotify',
    setting: 'mountInotify',
    default: true,
  },
  mountInotifyIgnore: {
    text: 'Names of files and folders whose changes do not; * and ? as in a shell.',
    setting: 'mountInotifyIgnore',
    default: ['.git', 'node_modules'],
  },
  accel: {
    text: 'How the processor is run: auto takes the best that works; the others fail when they cannot be had.',
    flag: '--accel',
    setting: 'accel',
    default: 'auto',
    json: { enum: ['auto', 'kvm', 'hvf', 'tcg'] },
  },
  cpuType: {
    text: "QEMU's processor model, with features where wanted (qemu64,+ssse3). Empty, and host: the best there is.",
    flag: '--cpu-type',
    setting: 'cpuType',
    default: '',
    json: { type: 'string' },
  },
  autoActivate: {
    text: 'Whether the client on this computer uses this machine after a start.',
    flag: '--activate',
    setting: 'activate',
    default: true,
  },
  docker: {
    text: "Merged into the guest's daemon.json; these keys win.",
    setting: 'docker',
    default: {},
  },
  hostname: {
    text: "The guest's name; empty: tcolima, or tcolima-PROFILE.",
    flag: '--hostname',
    setting: 'hostname',
    default: '',
    json: { type: 'string' },
  },
  network: { text: 'Names in the guest.', setting: 'network' },
  'network.dns': {
    text: "Name servers in place of this computer's: IP or IP:PORT.",
    flag: '--dns, -n',
    default: [],
  },
  'network.dnsHosts': {
    text: 'Names of your own: each an IP address or another name.',
    flag: '--dns-host',
    default: {},
  },
  'network.address': { text: `${noEffect}an address of its own.` },
  'network.mode': { text: `${noEffect}shared or bridged.` },
  'network.interface': { text: `${noEffect}the interface of bridged mode.` },
  'network.preferredRoute': { text: `${noEffect}the route of its address.` },
  'network.hostAddresses': { text: `${noEffect}addresses of this computer in the guest.` },
  'network.gatewayAddress': { text: `${noEffect}the address of this computer.` },
  'network.driver': { text: `${noEffect}the network driver.` },
  portForwards: {
    text: "Rules for ports and sockets with Lima's keys; the first that matches counts. See networking.md.",
    setting: 'portForwards',
    default: [],
  },
  'portForwards[].guestIP': { text: 'Address of the listener in the guest.' },
  'portForwards[].guestIPMustBeZero': { text: 'Whether only a listener on all addresses matches.' },
  'portForwards[].guestPort': { text: 'Port in the guest.' },
  'portForwards[].guestPortRange': { text: 'The first and the last port in the guest.' },
  'portForwards[].guestSocket': { text: 'Path of a socket in the guest.' },
  'portForwards[].hostIP': { text: 'Address on this computer.' },
  'portForwards[].hostPort': { text: 'Port on this computer.' },
  'portForwards[].hostPortRange': { text: 'The first and the last port on this computer.' },
  'portForwards[].hostSocket': {
    text: "Path of a socket on this computer; a relative one lies in the instance's folder.",
  },
  'portForwards[].proto': { text: 'The protocol.' },
  'portForwards[].ignore': { text: 'Whether what matches does not appear on this computer.' },
  'portForwards[].reverse': { text: 'Whether the guest gets what this computer has.' },
  'portForwards[].static': { text: 'Whether it is there without a listener.' },
  forwardAgent: {
    text: 'Whether the SSH agent of this computer can be used in the guest.',
    flag: '--ssh-agent, -s',
    setting: 'forwardAgent',
    default: false,
  },
  binfmt: {
    text: 'Whether programs and images of other processors run in the guest.',
    flag: '--binfmt',
    setting: 'binfmt',
    default: true,
  },
  ociRuntime: {
    text: "What starts containers, for docker and podman; empty: the engine's choice, runc and crun.",
    flag: '--oci-runtime',
    setting: 'ociRuntime',
    default: '',
    json: { enum: ['', 'runc', 'crun'] },
  },
  rootless: {
    text: "Whether podman runs as the guest's user; its images and containers are others than root's.",
    flag: '--rootless',
    setting: 'rootless',
    default: false,
  },
  caCertificates: {
    text: 'Files with certificates (PEM) that everything in the guest trusts.',
    flag: '--ca-certificate',
    setting: 'caCertificates',
    default: [],
  },
  mirror: {
    text: 'Where artefacts such as k3s come from: a URL or a folder; empty: their releases. TCOLIMA_MIRROR counts before it.',
    flag: '--mirror',
    setting: 'mirror',
    default: '',
    json: { type: 'string' },
  },
  sshPort: {
    text: "Port of this computer that leads to the guest's SSH; 0 takes a free one.",
    flag: '--ssh-port',
    setting: 'sshPort',
    default: 0,
    json: { type: 'integer', minimum: 0, maximum: 65_535 },
  },
  sshConfig: {
    text: 'Whether `ssh tcolima` works: ~/.ssh/config then includes what it needs.',
    flag: '--ssh-config',
    setting: 'sshConfig',
    default: true,
  },
  rootDisk: {
    text: 'Size of the system disk: whole GiB, or text with a unit; 0 is the default.',
    flag: '--root-disk',
    setting: 'rootDisk',
    default: 20,
    json: { anyOf: [{ type: 'integer', minimum: 0 }, { type: 'string' }] },
  },
  env: {
    text: 'Variables for everything in the guest, its engine too. A proxy at localhost is one on this computer.',
    flag: '--env',
    setting: 'env',
    default: {},
  },
  provision: {
    text: 'Scripts that run in the guest at every boot, each a warning where it fails.',
    setting: 'provision',
    default: [],
  },
  'provision[].mode': {
    text: 'system: as root; user, after-boot: as the user, both before the engine starts; ready: as the user, once it answers.',
  },
  'provision[].script': { text: 'The script; without a #! line it is for the shell.' },
  probes: {
    text: 'Scripts that must succeed in the guest before a start is over; each is tried for 5 minutes.',
    setting: 'probes',
    default: [],
  },
  'probes[].mode': { text: "Lima's; it has one value." },
  'probes[].description': { text: 'What it looks for, for messages.' },
  'probes[].script': { text: 'The script, which runs as the user.' },
  'probes[].hint': { text: 'What to do when it fails.' },
  param: {
    text: 'Texts of your own for {{.Param.NAME}} in other texts of this file and of templates; PARAM_NAME in provision scripts.',
    flag: '--param',
    setting: 'param',
    default: {},
  },
  kubernetes: { text: 'Kubernetes (k3s) in the guest. See kubernetes.md.', setting: 'kubernetes' },
  'kubernetes.enabled': {
    text: 'Whether there is a cluster.',
    flag: '--kubernetes, -k, --with-kubernetes',
    default: false,
  },
  'kubernetes.version': {
    text: "A release of k3s; empty: tcolima's choice.",
    flag: '--kubernetes-version',
    default: '',
    json: { type: 'string' },
  },
  'kubernetes.k3sArgs': {
    text: "Arguments of k3s server, after tcolima's own.",
    flag: '--k3s-arg',
    default: ['--disable=traefik'],
    json: { type: ['array', 'null'], items: { type: 'string' } },
  },
  'kubernetes.port': {
    text: "Port of this computer's loopback for the API; 0: 6443, or a free one.",
    flag: '--kubernetes-port, --k3s-listen-port',
    default: 0,
    json: { type: 'integer', minimum: 0, maximum: 65_535 },
  },
  'kubernetes.join': {
    text: 'The machine whose cluster this one is a node of; empty: a cluster of its own.',
    flag: '--kubernetes-join',
    default: '',
    json: { type: 'string' },
  },
  'kubernetes.disable': {
    text: 'Parts of k3s to leave out: a former key of Colima, the same as --disable in k3sArgs.',
    json: { type: ['array', 'null'], items: { type: 'string' } },
  },
  'kubernetes.listenPort': { text: 'A former name of port.', json: { type: ['integer', 'null'] } },
  'kubernetes.ingress': { text: 'Whether traefik stays: a former key of Colima, for what k3sArgs says.' },
  vmType: { text: `${noEffect}QEMU runs the machine.`, flag: '--vm-type, -t' },
  rosetta: { text: `${noEffect}Rosetta belongs to another hypervisor.` },
  nestedVirtualization: { text: `${noEffect}virtual machines in the guest.` },
  diskImage: { text: `${noEffect}an image of your own.` },
  modelRunner: { text: `${noEffect}the runner of models.` },
  portForwarder: { text: `${noEffect}the way of ports.` },
  physicalDisks: { text: `${noEffect}partitions of a Mac in the guest.` },
  layer: { text: `${noEffect}the Ubuntu layer of old versions.` },
}
