import path from 'node:path'
import type { Duplex } from 'node:stream'
import type { PortForward } from '../config/port-forwards.ts'
import { GuestLink } from '../guest/link.ts'
import type { HostMessage } from '../guest/protocol.ts'
import { delay } from '../host/delay.ts'
import { TcolimaError } from '../host/errors.ts'
import type { Host } from '../host/platform.ts'
import { portHolder } from '../host/port-holder.ts'
import type { InstancePaths } from '../instance/paths.ts'
import type { InstanceRecord } from '../instance/record.ts'
import { type InstanceState, writeState } from '../instance/state.ts'
import type { HostWarning } from '../notify/host-watcher.ts'
import { KeptFiles } from '../mounts/kept.ts'
import { FifoLock } from '../mounts/order.ts'
import { Owners } from '../mounts/owners.ts'
import { Windows } from '../mounts/window.ts'
import { hostfwdRules, parseUsernet } from '../portforward/hostfwd.ts'
import { Forwards, type ForwardStatus } from '../portforward/forwards.ts'
import { type GuestStreams, sshForwarder } from '../portforward/over-ssh.ts'
import { ReverseForwards } from '../portforward/reverse.ts'
import { qemuForwarder } from '../portforward/through-qemu.ts'
import { datagramRelay, sharedRelays } from '../portforward/udp-over-ssh.ts'
import { SshConnection } from '../ssh/connection.ts'
import { SshLink } from '../ssh/link.ts'
import { emulatedProcessorsLast } from '../vm/emulated-processors.ts'
import type { QemuProcess } from '../vm/process.ts'
import { Qmp } from '../vm/qmp.ts'
import { type ClusterPort, clusterPortOf, withClusterRules } from './cluster-port.ts'
import { GuestAsks } from './guest-asks.ts'
import { GuestState } from './guest-state.ts'
import { Notifications } from './notifications.ts'
import { mountMessages } from './live-mounts.ts'
import { MountServers } from './mount-servers.ts'
import { hasIPv6, rulesIn, sshAgentRule } from './port-rules.ts'
import type { PortsWorld } from './settle-ports.ts'
import { SshMounts } from './ssh-mounts.ts'
import { ensureSshPort } from './ssh-port.ts'

/** What a running machine's services are made from. */
export interface MachineInput {
  paths: InstancePaths
  record: InstanceRecord
  state: InstanceState
  qemu: QemuProcess
  /** The private key to log in with. */
  privateKey: string
  host: Pick<Host, 'platform' | 'uid' | 'env'>
  log: (line: string) => void
  signal: AbortSignal
}

// Guest ports of our own that never appear on the host.
const internalPorts = new Set([22])
// Milliseconds for a guest under software emulation to boot.
const sshLimitMs = 5 * 60_000
// Milliseconds that an answer of the engine may wait for ports: a container under software emulation takes so much longer to
// get to listening.
const portsLimitMs = { accelerated: 1000, emulated: 3000 }

/** A running QEMU with everything the agent does for it; none of it ends QEMU. */
export class Machine {
  readonly qemu: QemuProcess
  readonly qmp: Qmp
  readonly guest = new GuestState()
  readonly forwards: Forwards
  /** What of the host appears in the guest. */
  readonly reverse: ReverseForwards
  readonly ssh: SshLink
  /** Serves the folders of the host. */
  readonly mounts: MountServers
  readonly #link: GuestLink
  /** What the user should know of and can mend. */
  readonly warnings: HostWarning[] = []
  readonly #notifications: Notifications
  readonly #asks: GuestAsks
  readonly #emulated: boolean
  readonly #folder: string
  /** Those that are no setting. */
  readonly #ownRules: PortForward[]

  private constructor(
    input: MachineInput,
    qmp: Qmp,
    link: GuestLink,
    usernet: ReturnType<typeof parseUsernet>,
  ) {
    const { paths, state, record, log } = input
    this.#asks = new GuestAsks((message) => link.send(message))
    this.#emulated = state.accelerator === 'tcg'
    this.#folder = paths.folder
    this.qemu = input.qemu
    this.qmp = qmp
    this.#link = link
    const nameLock = new FifoLock()
    const warn = (warning: HostWarning) => {
      // Some are found anew with each session.
      if (this.warnings.some(({ text }) => text === warning.text)) return
      log(`${warning.text}. ${warning.hint}`)
      this.warnings.push(warning)
    }
    const { mountInotify, mountInotifyIgnore } = state.config
    this.#notifications = new Notifications({
      on: mountInotify,
      ignore: mountInotifyIgnore,
      files: (mount) => ({
        replays: paths.replays(mount),
        folders: paths.knownFolders(mount),
        ignoredFolders: paths.ignoredFolders(mount),
      }),
      send: (message) => link.send(message),
      still: (work) => nameLock.run(true, work),
      warn,
      log,
    })
    // The guest gives a user's own group the number of the user where that is free.
    const user = { uid: record.user.uid, gid: record.user.uid }
    const connectOnceReady = async (signal: AbortSignal) => {
      // Connections to a guest that cannot answer yet are held for long.
      const ready = () => this.guest.ready.has('ssh')
      await this.guest.wait('SSH was not ready in the guest', ready, sshLimitMs, signal)
      return await this.ssh.get()
    }
    const overSsh = new SshMounts(connectOnceReady, log)
    this.mounts = new MountServers(state.mounts, state.sockets.mounts, {
      nameLock,
      journal: paths.mountJournal,
      resume: (index) => {
        if (this.guest.mounts.has(index)) link.send({ type: 'resume', index })
      },
      owners: new Owners(user, new KeptFiles(paths.owners)),
      windows: Windows.open(paths.window),
      notifications: this.#notifications,
      warn,
      overSsh: (index, signal) => overSsh.next(index, signal),
      log,
    })
    this.ssh = new SshLink(
      (signal) =>
        SshConnection.connect(
          {
            port: state.sshPort,
            user: record.user.name,
            privateKey: input.privateKey,
            hostKey: record.hostKey,
            emulated: this.#emulated,
          },
          signal,
        ),
      () => log('the SSH connection was lost'),
    )
    const guestStreams: GuestStreams = {
      openTcp: (host, port) => this.openTcp(host, port),
      openUnix: (socket) => this.openUnix(socket),
      relayUdp: sharedRelays((host, port) =>
        datagramRelay(
          async () => await (await this.ssh.get()).exec(`/usr/lib/tcolima/udp-relay ${host} ${port}`),
          log,
        ),
      ),
    }
    const rules = rulesIn(paths.folder, withClusterRules(state.config.portForwards, clusterPortOf(state)))
    this.forwards = new Forwards({
      forwarders: {
        hostfwd: qemuForwarder((line) => qmp.human(line), input.host),
        ssh: sshForwarder(guestStreams, input.host),
      },
      internal: internalPorts,
      rules,
      ipv6: hasIPv6(),
      holder: (forward) => portHolder(forward.proto, forward.hostPort),
      adopted: hostfwdRules((line) => qmp.human(line), usernet),
      log,
    })
    this.#ownRules = agentRules(input, warn)
    this.reverse = new ReverseForwards({
      rules: reverseOf(rules, this.#ownRules),
      connect: connectOnceReady,
      platform: input.host.platform,
      log,
    })
    link.on('message', (message) => {
      const rebooted = this.guest.take(message)
      this.#notifications.take(message)
      if (rebooted) log('the guest has booted anew')
      // What the guest told before nobody may have heard: it tells all again.
      if (rebooted) link.answer({ type: 'sync' })
      if (message.type === 'hello') for (const each of mountMessages(state)) link.answer(each)
      if (message.type === 'ports') this.forwards.update(message.add, message.remove, message.whole ?? false)
      this.#asks.take(message)
      if (message.type === 'clock') link.answer({ type: 'clock', id: message.id, time: Date.now() })
      if (message.type === 'set') log(`guest: ${clockText(message.seconds)}`)
      if (message.type === 'failed') log(`guest: ${message.subject} failed`)
      if (message.type === 'mount') log(`mount ${message.index}: ${message.state} ${message.detail}`.trim())
    })
    qmp.on('event', ({ event, data }) => {
      const mount = /^port-mount(\d+)$/.exec(String(data?.id))
      if (event === 'VSERPORT_CHANGE' && mount && data?.open === false) this.mounts.reset(Number(mount[1]))
      if (event !== 'RTC_CHANGE') log(`QEMU: ${event} ${data ? JSON.stringify(data) : ''}`.trim())
    })
  }

  /**
   * Connects to a QEMU that runs or is starting, and takes up its mounts, ports and link. Throws `failed` when QEMU ends
   * meanwhile or does not answer, `cancelled` on abort. The port of SSH is written into the state.
   */
  static async open(input: MachineInput): Promise<Machine> {
    const { paths, state } = input
    const qmp = await connectQmp(state.sockets.qmp, input)
    try {
      const usernet = parseUsernet(await qmp.human('info usernet'))
      const before = state.sshPort
      state.sshPort = await ensureSshPort((line) => qmp.human(line), usernet, {
        fixed: state.config.sshPort,
        last: state.sshPort,
        holder: (port) => portHolder('tcp', port),
      })
      // Of an earlier agent.
      const forwards = usernet.filter(
        (rule) => rule.proto === 'udp' || rule.guestPort !== 22 || rule.hostPort !== state.sshPort,
      )
      if (state.sshPort !== before) await writeState(paths.state, state)
      if (state.accelerator === 'tcg' && input.host.platform === 'linux') await emulatedProcessorsLast(qmp)
      const link = await GuestLink.connect(state.sockets.guestLink)
      const machine = new Machine(input, qmp, link, forwards)
      link.send({ type: 'sync' })
      return machine
    } catch (error) {
      qmp.close()
      throw error
    }
  }

  /** All that is forwarded, either way. */
  ports(): ForwardStatus[] {
    return [...this.forwards.list(), ...this.reverse.list()]
  }

  /** Forwards by other rules of the user from now on, or for another cluster (undefined: there is none). */
  setPortForwards(wanted: readonly PortForward[], clusterPort: ClusterPort): void {
    const rules = rulesIn(this.#folder, withClusterRules(wanted, clusterPort))
    this.forwards.setRules(rules)
    this.reverse.setRules(reverseOf(rules, this.#ownRules))
  }

  /** Goes on to bring changes on the host to watchers in the guest, or stops. */
  setMountInotify(on: boolean): void {
    this.#notifications.setOn(on)
  }

  /** Changes the names of files and folders whose changes are not brought to the guest. */
  setMountInotifyIgnore(names: readonly string[]): void {
    this.#notifications.setIgnore(names)
  }

  /** Whether changes on the host are being brought to watchers of a mount. */
  isWatched(mount: number): boolean {
    return this.#notifications.isWatched(mount) ?? false
  }

  /** A stream to a Unix socket of the guest. */
  async openUnix(socket: string): Promise<Duplex> {
    return await (await this.ssh.get()).openUnix(socket)
  }

  /** A stream to a TCP port of the guest, as seen from inside. */
  async openTcp(host: string, port: number): Promise<Duplex> {
    return await (await this.ssh.get()).openTcp(host, port)
  }

  /** What settles ports with this machine's guest. */
  portsWorld(): Pick<PortsWorld, 'look' | 'listening' | 'forwarded' | 'limitMs'> {
    return {
      look: (signal) => this.#asks.look(signal),
      listening: (pid, ports, limitMs, signal) => this.#asks.listening(pid, ports, limitMs, signal),
      forwarded: () => this.forwards.settled(),
      limitMs: this.#emulated ? portsLimitMs.emulated : portsLimitMs.accelerated,
    }
  }

  /** Tells the guest something. */
  tell(message: HostMessage): void {
    this.#link.send(message)
  }

  /** Asks the guest to power itself off; does not wait. */
  powerOff(): void {
    this.#link.send({ type: 'poweroff' })
  }

  /** Lets go of QEMU and withdraws everything from the host. */
  async close(): Promise<void> {
    // Stops to ask for SSH first.
    const mounts = this.mounts.close()
    this.ssh.close()
    this.#link.close()
    await this.#notifications.close()
    await Promise.all([mounts, this.reverse.close(), this.forwards.close().catch(() => undefined)])
    this.qmp.close()
  }
}

function clockText(seconds: number): string {
  return `the clock was ${Math.abs(seconds)} s ${seconds > 0 ? 'behind' : 'ahead'}, and is set`
}

function reverseOf(rules: readonly PortForward[], own: readonly PortForward[]): PortForward[] {
  return [...rules.filter(({ reverse }) => reverse), ...own]
}

/** The rule for the host's SSH agent, where it is wanted and there is one. */
function agentRules({ state, host }: MachineInput, warn: (warning: HostWarning) => void): PortForward[] {
  if (!state.config.forwardAgent) return []
  const socket = host.env.SSH_AUTH_SOCK ?? ''
  if (path.isAbsolute(socket)) return [sshAgentRule(socket)]
  warn({
    text: 'there is no SSH agent to forward: SSH_AUTH_SOCK was not set when the machine was started',
    hint: 'Start it from a shell where `ssh-add -l` works: tcolima restart',
  })
  return []
}

/** Connects to the monitor of a QEMU that may just be starting; it makes the socket within a moment, or ends. */
async function connectQmp(socket: string, input: MachineInput): Promise<Qmp> {
  let ended: string | undefined
  void input.qemu.ended.then((reason) => {
    ended = reason
  })
  // Less in all than a command waits for its agent.
  const until = performance.now() + 15_000
  for (;;) {
    input.signal.throwIfAborted()
    if (ended !== undefined) throw new TcolimaError('failed', `QEMU ended: ${ended}`)
    try {
      return await Qmp.connect(socket, 5000)
    } catch (error) {
      if (performance.now() > until) throw error
      await delay(20, input.signal)
    }
  }
}
