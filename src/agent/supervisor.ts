import type { MountSpec } from '../config/mounts.ts'
import { TcolimaError } from '../host/errors.ts'
import { isAlive, terminate, waitForEnd } from '../host/processes.ts'
import { type ProgressEvent, type Report, runStep } from '../host/progress.ts'
import { lastLines } from '../host/text.ts'
import { homePaths } from '../instance/paths.ts'
import { type InstanceRecord, readRecord } from '../instance/record.ts'
import { type InstanceState, readState, writeState } from '../instance/state.ts'
import { FifoLock } from '../mounts/order.ts'
import { engineNamed } from '../runtime/engines.ts'
import type { ClusterAccess } from '../runtime/kubernetes/kubeconfig-text.ts'
import { userKey } from '../ssh/keys.ts'
import { endDaemons } from '../vm/daemons.ts'
import { adoptQemu, type QemuProcess } from '../vm/process.ts'
import type {
  AddMountParams,
  AgentStatus,
  ClusterParams,
  ClusterResult,
  PortChange,
  PortStatus,
  RemoveMountParams,
  StartParams,
  StartResult,
} from './api.ts'
import type { AgentContext } from './context.ts'
import { changeMounts } from './change-mounts.ts'
import { accessToCluster, asServer, changeCluster, type ClusterWorld, runCluster } from './cluster.ts'
import { clusterPortOf } from './cluster-port.ts'
import { type HostSockets, openHostSockets } from './host-sockets.ts'
import { askAdmission, leaveOthers } from './join.ts'
import { fetchCluster } from './kubernetes.ts'
import { launch, writeSshFiles } from './launch.ts'
import { addMount, type LiveMounts, removeMount } from './live-mounts.ts'
import { Machine } from './machine.ts'
import { type Names, openNames } from './names.ts'
import { namedPorts, type PortSources, watchPorts } from './port-owners.ts'
import { prepare } from './prepare.ts'
import { saveSettings } from './save-settings.ts'
import { liveChanges } from './settings.ts'
import { waitReady } from './wait-ready.ts'
import { nodeNetwork } from './workers.ts'

// Milliseconds for the guest to stop its containers and power off; then for QEMU to end when told so.
const powerOffLimitMs = 90_000
const quitLimitMs = 5000

/** A machine with what belongs to it. */
interface Running {
  machine: Machine
  record: InstanceRecord
  state: InstanceState
  sockets: HostSockets
  /** Absent for a machine that was started before there was any. */
  names: Names | undefined
  /** How to come into its cluster, once one runs. */
  cluster?: ClusterAccess | undefined
  /** Why QEMU ended, once it has. */
  ended?: string
}

/** A start under way, which several clients may wait for. */
interface Starting {
  abort: AbortController
  clients: number
  events: ProgressEvent[]
  listeners: Set<Report>
  done: Promise<StartResult>
}

/** Owns one instance: starts, adopts, watches and stops its machine. `onIdle` is called when nothing is left to own. */
export class Supervisor {
  readonly #context: AgentContext
  readonly #onIdle: () => void
  readonly #stop = new AbortController()
  #running: Running | undefined
  #starting: Starting | undefined
  #stopping: Promise<void> | undefined
  // One after the other: each decides by what the machine has then.
  readonly #changing = new FifoLock()

  constructor(context: AgentContext, onIdle: () => void) {
    this.#context = context
    this.#onIdle = onIdle
  }

  /** Takes up a machine that an earlier agent left running; gives whether there was one. */
  async adopt(): Promise<boolean> {
    const { paths, log } = this.#context
    const state = readState(paths.state)
    const record = readRecord(paths.record)
    if (!state || !record || !isAlive(state.qemu)) return false
    log(`taking up QEMU ${state.qemu.pid}`)
    await this.#open(record, state, adoptQemu(state.qemu, this.#stop.signal), this.#stop.signal)
    return true
  }

  /**
   * Starts the machine, or joins a start under way. The start is taken back when the signals of all clients have
   * aborted. Throws what the failing step threw; nothing of the machine runs on then.
   */
  async start(params: StartParams, report: Report, signal: AbortSignal): Promise<StartResult> {
    await this.#stopping
    // One that was taken back is none to join.
    while (this.#starting?.abort.signal.aborted) await this.#starting.done.catch(() => undefined)
    // A QEMU that an earlier agent started is looked after once a second: it may be gone already.
    if (this.#running && !isAlive(this.#running.machine.qemu.id))
      await this.#ended(this.#running, 'it is gone')
    if (this.#running?.state.ready) {
      const running = this.#running
      return await this.#changing.run(false, () => this.#change(running, params, report, signal))
    }
    this.#starting ??= this.#begin(params)
    const starting = this.#starting
    for (const event of starting.events) report(event)
    starting.listeners.add(report)
    starting.clients++
    const leave = () => {
      starting.listeners.delete(report)
      starting.clients--
      if (starting.clients === 0)
        starting.abort.abort(new TcolimaError('cancelled', 'the start was cancelled'))
    }
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
    try {
      return await starting.done
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  /** Stops the machine; without `force` the guest powers itself off first. Also ends a start under way. */
  async stop(force: boolean, report: Report): Promise<void> {
    this.#stopping ??= this.#end(force, report).finally(() => {
      this.#stopping = undefined
      this.#onIdle()
    })
    await this.#stopping
  }

  status(): AgentStatus {
    const running = this.#running
    return {
      phase: this.#phase(),
      mounts: (running?.state.mounts ?? []).map(({ index, ...mount }) => ({
        ...mount,
        watched: running?.machine.isWatched(index) ?? false,
        ...(running?.machine.guest.mounts.get(index) ?? { state: 'waiting', detail: '' }),
      })),
      ports: running?.machine.ports() ?? [],
      sockets: running?.sockets.paths ?? {},
      warnings: running?.machine.warnings ?? [],
    }
  }

  /** All forwards with who uses them. Throws `not-running`. */
  async ports(signal: AbortSignal): Promise<PortStatus[]> {
    this.machine()
    return await namedPorts(this.#owners(), signal)
  }

  /** Tells each forward that there is, and each change, until the machine or the signal ends it. Throws `not-running`. */
  async watchPorts(tell: (change: PortChange) => void, signal: AbortSignal): Promise<void> {
    const { machine } = this.machine()
    const ended = new AbortController()
    void machine.qemu.ended.then(() => ended.abort())
    await watchPorts(this.#owners(), tell, AbortSignal.any([signal, ended.signal]))
  }

  /** The machine, for commands in it. Throws `not-running`. */
  machine(): { machine: Machine; state: InstanceState } {
    return this.#running ?? this.#notRunning()
  }

  /** Mounts one more folder into the running guest. Throws like `addMount`, and `not-running`. */
  async addMount(params: AddMountParams, signal: AbortSignal): Promise<MountSpec> {
    return await this.#changing.run(false, () =>
      addMount(this.#liveMounts(signal), params.mount, params.save),
    )
  }

  /** Takes a folder away from the running guest. Throws like `removeMount`, and `not-running`. */
  async removeMount(params: RemoveMountParams, signal: AbortSignal): Promise<MountSpec> {
    const { mountPoint, force, save } = params
    return await this.#changing.run(false, () =>
      removeMount(this.#liveMounts(signal), mountPoint, { force, save }),
    )
  }

  /** Starts, stops, resets or deletes the cluster in the running guest, or says how to come in. Throws `not-running`. */
  async cluster(params: ClusterParams, report: Report, signal: AbortSignal): Promise<ClusterResult> {
    return await this.inCluster(report, signal, async (world, running) => {
      if (params.action === 'access') return { cluster: await accessToCluster(world) }
      await saveSettings(this.#context, { ...params, save: true })
      await changeCluster(world, running, params)
      return { cluster: running.cluster }
    })
  }

  /** Does work on its cluster once nothing else changes it, unless who asked gave up. Throws `not-running`, `busy` during a start. */
  async inCluster<T>(
    report: Report,
    signal: AbortSignal,
    work: (world: ClusterWorld, running: { cluster?: ClusterAccess | undefined }) => Promise<T>,
  ): Promise<T> {
    return await this.#changing.run(false, async () => {
      signal.throwIfAborted()
      const { running } = this.#ready()
      return await work(this.#clusterWorld(running, report, signal), running)
    })
  }

  /** Lets go of everything without ending QEMU. */
  async release(): Promise<void> {
    this.#stop.abort()
    this.#running?.names?.close()
    await this.#running?.sockets.close()
    await this.#running?.machine.close()
  }

  #owners(): PortSources {
    const { machine, state, sockets } = this.#running ?? this.#notRunning()
    const engine = engineNamed(state.config.runtime)
    return { machine, engine, socket: sockets.paths[engine.sockets[0]?.name ?? ''] ?? '' }
  }

  #notRunning(): never {
    throw new TcolimaError('not-running', `${this.#context.paths.profile} is not running`)
  }

  /** The machine once its start is over. Throws `not-running`, or `busy` before, when there may be no QEMU yet. */
  #ready(): { running: Running } {
    const running = this.#running
    if (running?.state.ready) return { running }
    if (!this.#starting) this.machine()
    throw new TcolimaError('busy', `${this.#context.paths.profile} is still starting`)
  }

  #liveMounts(signal: AbortSignal): LiveMounts {
    const { running } = this.#ready()
    const ended = new AbortController()
    void running.machine.qemu.ended.then((reason) => ended.abort(this.#qemuError(reason)))
    return { ...running, context: this.#context, signal, ended: ended.signal }
  }

  /** Through a call: the compiler takes it for unset after `#open` in the same function. */
  #current(): Running | undefined {
    return this.#running
  }

  #phase(): AgentStatus['phase'] {
    if (this.#stopping) return 'stopping'
    if (this.#starting) return 'starting'
    return this.#running ? 'running' : 'idle'
  }

  /** Brings a running machine to the settings wanted, where it can go by them at once. */
  async #change(
    running: Running,
    params: StartParams,
    report: Report,
    signal: AbortSignal,
  ): Promise<StartResult> {
    const { paths, log } = this.#context
    const { config } = params
    const { machine, names, state } = running
    const changed = liveChanges(state.config, config)
    if (changed.length > 0) {
      const { portForwards, network, mounts, mountInotify, mountInotifyIgnore, mirror } = config
      const live = { portForwards, network, mounts, mountInotify, mountInotifyIgnore, mirror }
      // It alone can fail, and nothing of the others is to be changed then.
      if (changed.includes('mounts')) await changeMounts(this.#liveMounts(signal), mounts)
      await saveSettings(this.#context, params)
      if (changed.includes('portForwards')) machine.setPortForwards(portForwards, clusterPortOf(state))
      if (changed.includes('mountInotify')) machine.setMountInotify(mountInotify)
      if (changed.includes('mountInotifyIgnore')) machine.setMountInotifyIgnore(mountInotifyIgnore)
      if (changed.includes('network')) names?.change(network)
      state.config = { ...state.config, ...live }
      await writeState(paths.state, state)
      log(`changed: ${changed.join(', ')}`)
      if (changed.includes('kubernetes')) {
        const { kubernetes } = config
        const action = kubernetes.enabled ? 'start' : 'stop'
        await changeCluster(this.#clusterWorld(running, report, signal), running, {
          action,
          kubernetes,
          mirror: params.mirror,
        })
      }
    }
    if (state.config.kubernetes.enabled) {
      running.cluster ??= await accessToCluster({ ...running, signal }).catch(() => undefined)
    }
    return this.#result(running, true, changed)
  }

  #clusterWorld(running: Running, report: Report, signal: AbortSignal): ClusterWorld {
    const ended = new AbortController()
    void running.machine.qemu.ended.then((reason) => ended.abort(this.#qemuError(reason)))
    const either = AbortSignal.any([signal, ended.signal])
    return { ...running, context: this.#context, report, signal: either }
  }

  #begin(params: StartParams): Starting {
    const abort = new AbortController()
    const events: ProgressEvent[] = []
    const listeners = new Set<Report>()
    const report: Report = (event) => {
      events.push(event)
      for (const listener of listeners) listener(event)
    }
    const done = this.#run(params, report, abort).finally(() => {
      this.#starting = undefined
      if (!this.#running) this.#onIdle()
    })
    // Clients that joined see the failure; the last one may have left.
    done.catch(() => undefined)
    return { abort, clients: 0, events, listeners, done }
  }

  async #run(params: StartParams, report: Report, abort: AbortController): Promise<StartResult> {
    const { paths, log } = this.#context
    const { signal } = abort
    const { config } = this.#running?.state ?? params
    try {
      // Its settings were changed while it did not run.
      if (!this.#running) await leaveOthers(this.#context, config, report)
      // What cannot be had is told before anything runs.
      const admission = await askAdmission(this.#context, config, params.mirror, report, signal)
      const files = config.kubernetes.enabled
        ? await fetchCluster(this.#context, asServer(config, admission), params.mirror, report, signal)
        : undefined
      if (!this.#running) {
        const before = readState(paths.state)
        if (before && isAlive(before.qemu)) {
          throw new TcolimaError('failed', `QEMU ${before.qemu.pid} runs, and its monitor does not answer`, {
            hint: `End it with: tcolima stop ${paths.profile} --force`,
          })
        }
        if (before) await writeState(paths.state, { ...before, ready: false })
        const prepared = await prepare(this.#context, params, report, signal)
        signal.throwIfAborted()
        const network = await nodeNetwork(this.#context, config.kubernetes.join, admission)
        const facts = { sshPort: before?.sshPort ?? 0, network }
        const { qemu, state } = await launch(this.#context, prepared, params.config, facts, signal)
        if (before?.kubernetesPort !== undefined) state.kubernetesPort = before.kubernetesPort
        log(`QEMU ${qemu.id.pid} started (${prepared.accelerator})`)
        try {
          await this.#open(prepared.record, state, qemu, signal)
        } catch (thrown) {
          await terminate(qemu.id, { graceMs: quitLimitMs })
          await endDaemons(paths.daemons)
          const error = TcolimaError.from(thrown)
          error.log ??= { path: paths.qemuLog, lines: lastLines(paths.qemuLog, 12) }
          error.step ??= 'boot'
          throw error
        }
      }
      const running = this.#current()
      if (!running) throw new TcolimaError('failed', 'the machine is gone')
      const engine = engineNamed(running.state.config.runtime)
      const socket = running.sockets.paths[engine.sockets[0]?.name ?? ''] ?? ''
      void running.machine.qemu.ended.then((reason) => abort.abort(this.#qemuError(reason)))
      await waitReady({ ...running, paths, engine, socket, report, signal })
      if (files)
        running.cluster = await runCluster(
          { ...running, context: this.#context, report, signal },
          config,
          files,
          { admission },
        )
      running.state.ready = true
      await writeState(paths.state, running.state)
      log('ready')
      return this.#result(running, false)
    } catch (thrown) {
      const error = TcolimaError.from(thrown)
      log(`the start failed: ${error.message}`)
      await this.#kill()
      throw error
    }
  }

  /** Takes up the services of a QEMU; when that fails, QEMU runs on. */
  async #open(
    record: InstanceRecord,
    state: InstanceState,
    qemu: QemuProcess,
    signal: AbortSignal,
  ): Promise<void> {
    const { paths, log, home, host } = this.#context
    const { private: privateKey } = await userKey(homePaths(home).keys)
    const machine = await Machine.open({ paths, record, state, qemu, privateKey, host, log, signal })
    let sockets: HostSockets
    let names: Names | undefined
    try {
      machine.warnings.push(...(await writeSshFiles(this.#context, record, state.sshPort, state.config)))
      if (state.sockets.names !== undefined) {
        names = await openNames(state.sockets.names, state.config.network, this.#context.host.platform)
      }
      sockets = await openHostSockets(this.#context, machine, engineNamed(state.config.runtime))
    } catch (error) {
      names?.close()
      await machine.close()
      throw error
    }
    const running: Running = { machine, record, state, sockets, names }
    this.#running = running
    machine.qmp.on('event', ({ event, data }) => {
      if (event === 'SHUTDOWN' && data?.guest === true) running.ended = 'the guest powered itself off'
    })
    void qemu.ended.then((reason) => this.#ended(running, reason))
  }

  /** QEMU ended; unless a command did it, that is all that is left to do here. */
  async #ended(running: Running, reason: string): Promise<void> {
    this.#context.log(`QEMU ended: ${reason}`)
    if (this.#stopping || this.#starting || this.#running !== running) return
    running.state.ended = running.ended ?? `QEMU ended unexpectedly: ${reason}`
    await this.#close()
    await endDaemons(this.#context.paths.daemons)
    await writeState(this.#context.paths.state, running.state)
    this.#onIdle()
  }

  async #end(force: boolean, report: Report): Promise<void> {
    const starting = this.#starting
    if (starting) {
      starting.abort.abort(new TcolimaError('cancelled', 'the start was ended by another command'))
      await starting.done.catch(() => undefined)
    }
    const running = this.#running
    if (!running) {
      await this.#endUnanswering(force, report)
      return
    }
    await runStep(report, 'power off', async ({ detail }) => {
      if (!force) {
        running.machine.powerOff()
        const gone = await waitForEnd(running.machine.qemu.id, powerOffLimitMs)
        if (!gone) detail('the guest did not, QEMU was ended')
      }
      await this.#kill()
    })
  }

  /** Ends a QEMU that could not be taken up: told by a signal, it still writes its disks' caches out. */
  async #endUnanswering(force: boolean, report: Report): Promise<void> {
    const qemu = readState(this.#context.paths.state)?.qemu
    if (qemu === undefined || !isAlive(qemu)) return
    await runStep(report, 'power off', async ({ detail }) => {
      detail('QEMU did not answer and was ended')
      await terminate(qemu, { graceMs: force ? 0 : quitLimitMs })
      await endDaemons(this.#context.paths.daemons)
    })
  }

  /** Ends QEMU the hard way where it still runs, and forgets the machine. */
  async #kill(): Promise<void> {
    const running = this.#running
    if (running) {
      const { qemu, qmp } = running.machine
      // Told so, QEMU writes its disks' caches out.
      await qmp.execute('quit').catch(() => undefined)
      await waitForEnd(qemu.id, quitLimitMs)
      await terminate(qemu.id, { graceMs: quitLimitMs })
      await endDaemons(this.#context.paths.daemons)
      await this.#close()
      running.state.ready = false
      delete running.state.ended
      await writeState(this.#context.paths.state, running.state)
    }
  }

  async #close(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    running?.names?.close()
    await running?.sockets.close()
    await running?.machine.close()
  }

  #result(running: Running, already: boolean, changed: string[] = []): StartResult {
    return {
      already,
      changed,
      sockets: running.sockets.paths,
      sshPort: running.state.sshPort,
      cluster: running.cluster,
    }
  }

  #qemuError(reason: string): TcolimaError {
    const { paths } = this.#context
    return new TcolimaError('failed', `QEMU ended: ${reason}`, {
      log: { path: paths.qemuLog, lines: lastLines(paths.qemuLog, 12) },
    })
  }
}
