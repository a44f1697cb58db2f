import { defaults } from './defaults.ts'
import { GIB } from './units.ts'

/** The text of a new tcolima.yaml: every key with its default and what it does. */
export function configTemplate(): string {
  return `# yaml-language-server: $schema=../_schema.json
# Settings of this tcolima instance. They take effect at the next start. Flags of "tcolima start" are saved here.

# Processors of the virtual machine.
cpu: ${defaults.cpus}

# Memory in GiB; fractions such as 1.5, and text such as "512MiB", work too.
memory: ${defaults.memory / GIB}

# Size in GiB of the disk for images, containers and volumes. It can grow later, never shrink.
disk: ${defaults.disk / GIB}

# Architecture: host, x86_64 or aarch64. Fixed once the instance exists.
arch: ${defaults.arch}

# Linux distribution: debian-13 or debian-12. Fixed once the instance exists.
distro: ${defaults.distro}

# Container engine: docker, containerd, podman, or none for a plain Linux machine. Fixed once the instance exists.
runtime: ${defaults.runtime}

# Folders of this computer to mount. [] mounts your home folder, writable; null mounts nothing. Example:
# mounts:
#   - location: ~/projects
#     writable: true
#   - location: ~/data
#     mountPoint: /data
mounts: []

# How they are mounted: sshfs, 9p, or virtiofs (Linux, with virtiofsd). May change at any start.
mountType: ${defaults.mountType}

# Whether changes on this computer reach programs in the guest that watch for them (hot reload), with the default mount type.
mountInotify: ${defaults.mountInotify}

# Names of files and folders whose changes do not; * and ? stand for characters.
mountInotifyIgnore: [${defaults.mountInotifyIgnore.join(', ')}]

# How the processor is run: auto (the best that works), kvm, hvf, or tcg (software emulation).
accel: ${defaults.accel}

# Processor model, one of "qemu-system-x86_64 -cpu help"; "" takes the best there is.
cpuType: ""

# Whether the docker command of this computer uses this instance after a start.
autoActivate: ${defaults.activate}

# Settings of the docker daemon, merged into its daemon.json.
docker: {}

# Names. dns: addresses of name servers that take the place of this computer's. dnsHosts: names of your own, each with an
# IP address or another name. Example:
# network:
#   dns: [1.1.1.1, 9.9.9.9]
#   dnsHosts:
#     db.test: 10.1.2.3
#     api.test: host.docker.internal
network:
  dns: []
  dnsHosts: {}

# Host name of the virtual machine; "" takes the name of the instance.
hostname: ""

# Whether the SSH agent of this computer can be used in the guest.
forwardAgent: ${defaults.forwardAgent}

# Port of this computer that leads to the guest's SSH; 0 takes a free one.
sshPort: ${defaults.sshPort}

# Whether "ssh tcolima" works: ~/.ssh/config then includes what it needs.
sshConfig: ${defaults.sshConfig}

# Size in GiB of the system disk. It can grow later, never shrink.
rootDisk: ${defaults.rootDisk / GIB}

# Variables for everything in the guest, its engine too. A proxy at localhost is taken for one on this computer. Example:
# env:
#   HTTPS_PROXY: http://proxy.example.com:3128
env: {}

# Scripts that run in the guest at every boot: system (as root), user and after-boot (as you) before the engine starts,
# ready (as you) once it answers. What they say is in "tcolima logs --source serial". Example:
# provision:
#   - mode: system
#     script: apt-get install -y htop
provision: []

# Scripts that must succeed in the guest before a start is over; each is tried for 5 minutes. Example:
# probes:
#   - description: the database takes connections
#     script: nc -z localhost 5432
#     hint: see "docker logs db"
probes: []

# Whether programs and images of other processors run, by software emulation.
binfmt: ${defaults.binfmt}

# Texts of your own, for {{.Param.NAME}} in other texts here, and PARAM_NAME in provision scripts.
param: {}

# Kubernetes (k3s) in the guest. version: a release of k3s, "" for tcolima's choice. k3sArgs: arguments of "k3s server", added at
# the end. port: the port of this computer's loopback for the API, 0 for 6443 or a free one. join: the profile of a machine whose
# cluster this one is a node of; "" for a cluster of its own.
kubernetes:
  enabled: ${defaults.kubernetes.enabled}
  version: ""
  k3sArgs: [${defaults.kubernetes.k3sArgs.join(', ')}]
  port: ${defaults.kubernetes.port}
  join: ""

# What starts containers, for docker and podman: runc or crun; "" leaves it to the engine.
ociRuntime: ""

# Whether podman runs as the guest's user, without root's rights. Its images and containers are others than root's.
rootless: ${defaults.rootless}

# Files with certificates (PEM) of authorities that everything in the guest trusts. What is in ~/.docker/certs.d goes
# along in any case. Example:
# caCertificates: [~/corp-ca.pem]
caCertificates: []

# Where artefacts such as k3s come from: a URL, or a folder; "" for their releases.
mirror: ""

# Where ports and sockets of the guest appear, by the first rule that matches; what none matches appears on this computer
# at the same port, on the addresses it has in the guest (loopback or all). Examples:
# portForwards:
#   - guestPort: 5432
#     hostPort: 15432
#   - guestPortRange: [9000, 9099]
#     ignore: true
#   - guestSocket: /run/app/app.sock
#     hostSocket: app.sock
portForwards: []
`
}
