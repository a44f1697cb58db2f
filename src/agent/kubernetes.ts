import { statSync } from 'node:fs'
import path from 'node:path'
import type { ClientChannel } from 'ssh2'
import { k3sImages, k3sProgram } from '../artifacts/catalog.ts'
import { sourceOf } from '../artifacts/source.ts'
import { ensureArtifact, findArtifact, type Stored } from '../artifacts/store.ts'
import type { Config } from '../config/schema.ts'
import { shellQuote } from '../guest/quote.ts'
import { delay } from '../host/delay.ts'
import { TcolimaError } from '../host/errors.ts'
import { readJson, writeJson } from '../host/files.ts'
import { type Report, runStep, type StepTools } from '../host/progress.ts'
import { printable } from '../host/text.ts'
import { homePaths } from '../instance/paths.ts'
import { type Connect, hasImages, loadImages, removePods } from '../runtime/kubernetes/docker-images.ts'
import {
  agentArguments,
  type ClusterEngine,
  clusterEngine,
  endsAtOnce,
  type NodePlace,
  readClusterState,
  serverArguments,
  withoutCoreDns,
} from '../runtime/kubernetes/k3s.ts'
import type { ClusterAccess } from '../runtime/kubernetes/kubeconfig-text.ts'
import { readiness } from '../runtime/kubernetes/readiness.ts'
import type { Admission } from './api.ts'
import type { AgentContext } from './context.ts'
import { runInGuest } from './guest-run.ts'

/** What does it in the guest. */
export const clusterScript = '/usr/lib/tcolima/kubernetes'
const script = clusterScript
const MiB = 2 ** 20
// Milliseconds: for a short question, while k3s starts under software emulation; for a file or images to come in; between two looks.
const askMs = 180_000
const bringMs = 20 * 60_000
const lookMs = 1000
// Milliseconds for a cluster to be ready; software emulation takes many times as long.
const readyMs = { accelerated: 5 * 60_000, emulated: 20 * 60_000 }

/** What a cluster is made of, on the host. */
export interface ClusterFiles {
  program: Stored
  /** Absent where the source has none: they come from a registry then. */
  images?: Stored | undefined
}

/** A cluster of a running machine. */
export interface ClusterInput {
  config: Config
  profile: string
  /** The name of its node. */
  node: string
  /** Port of the host's loopback that leads to the API. */
  port: number
  emulated: boolean
  /** Why the port does not, where it does not. */
  portProblem: () => string | undefined
  exec: (command: string) => Promise<ClientChannel>
  /** Opens a connection to the docker engine, where the guest has it. */
  docker: Connect
  /** Remembers which images docker was given. */
  imagesMemory: string
  /** Its place among several nodes. */
  place?: NodePlace | undefined
  /** The cluster of another machine that it joins; absent for one of its own. */
  admission?: Admission | undefined
  report: Report
  signal: AbortSignal
}

/** Fetches what a cluster needs, or finds it. Throws like `ensureArtifact`. */
export async function fetchCluster(
  { home, host }: Pick<AgentContext, 'home' | 'host'>,
  config: Config,
  mirror: string | undefined,
  report: Report,
  signal: AbortSignal,
): Promise<ClusterFiles> {
  clusterEngine(config.runtime)
  const { version } = config.kubernetes
  const release = version === '' ? undefined : version
  return await runStep(report, 'k3s', async ({ note, detail }) => {
    const options = {
      folder: homePaths(home).downloads,
      source: sourceOf(mirror, '/'),
      env: host.env,
      signal,
      note,
    }
    const program = await ensureArtifact([k3sProgram(config.arch, release)], options)
    let missing = `${options.source.name} has no images of k3s`
    const images = await findArtifact(k3sImages(config.arch, release), options).catch((error: unknown) => {
      // A cluster that was made without them starts without a network, too.
      if (!(error instanceof TcolimaError) || error.code !== 'host') throw error
      missing = `the images of k3s could not be fetched (${error.message})`
      return undefined
    })
    detail(program.artifact.version)
    if (!images) {
      report({
        type: 'warning',
        text: `${missing}: the cluster takes them from a registry where it needs them`,
      })
    }
    return { program, images }
  })
}

/** Starts the cluster, or leaves one that runs as it should, and waits until it is ready; gives how to come in. */
export async function startCluster(input: ClusterInput, files: ClusterFiles): Promise<ClusterAccess> {
  return await runStep(input.report, 'kubernetes', async (tools) => {
    const { config, exec, signal } = input
    const engine = clusterEngine(config.runtime)
    await bring(input, files, engine, tools)
    if (engine === 'docker' && files.images) await giveImages(input, files.images, tools)
    tools.note('starts')
    const role = input.admission ? ['agent'] : []
    await runInGuest(exec, [script, 'start', engine, ...role], {
      signal,
      limitMs: bringMs,
      input: argumentsText(input),
    })
    const { access, version } = await waitUntilReady(input, files, tools)
    tools.detail(
      `${version}, ${input.admission ? `node ${input.admission.address} of ` : ''}${access.server}`,
    )
    return access
  })
}

/** What k3s is started with, as the shell reads it. */
function argumentsText({ config, node, place, admission }: ClusterInput): string {
  const engine = clusterEngine(config.runtime)
  const quoted = (words: string[]) => `set -- ${words.map(shellQuote).join(' ')}\n`
  if (!admission || !place) return quoted(serverArguments(engine, node, config.kubernetes, place))
  const words = agentArguments(engine, node, config.kubernetes, place, admission.server)
  return `export K3S_TOKEN=${shellQuote(admission.token)}\n${quoted(words)}`
}

/** How to come into a cluster that runs. Throws `not-running` when there is none. */
export async function clusterAccess(
  input: Pick<ClusterInput, 'exec' | 'port' | 'signal'>,
): Promise<ClusterAccess> {
  const { exec, port, signal } = input
  const state = readClusterState(await runInGuest(exec, [script, 'access'], { signal, limitMs: askMs }))
  if (state.active === 'active' && state.access) return { ...state.access, server: serverAt(port) }
  throw new TcolimaError('not-running', 'there is no cluster that runs', {
    hint: 'Start one with: tcolima kubernetes start',
  })
}

/** Ends the cluster's pods and k3s; with `reset` or `delete` its content goes too, with `delete` also the program. */
export async function endCluster(
  how: 'stop' | 'reset' | 'delete',
  {
    config,
    exec,
    docker,
    report,
    signal,
  }: Pick<ClusterInput, 'config' | 'exec' | 'docker' | 'report' | 'signal'>,
): Promise<void> {
  const names = { stop: 'stop cluster', reset: 'reset cluster', delete: 'delete cluster' }
  await runStep(report, names[how], async () => {
    if (config.runtime === 'docker') {
      await runInGuest(exec, [script, 'quiet'], { signal, limitMs: bringMs })
      await removePods(docker, signal)
    }
    await runInGuest(exec, [script, how], { signal, limitMs: bringMs })
  })
}

/** Brings the files into the guest that it does not have. */
async function bring(
  input: ClusterInput,
  files: ClusterFiles,
  engine: ClusterEngine,
  { note }: StepTools,
): Promise<void> {
  const { exec, signal } = input
  const text = await runInGuest(exec, [script, 'have'], { signal, limitMs: askMs })
  const have = new Set(text.split('\n'))
  const wanted: [string, Stored][] = [['k3s', files.program]]
  if (files.images && engine !== 'docker') {
    // containerd looks into the file, k3s at its name.
    const form = /\.tar(?:\.[a-z]+)?$/.exec(files.images.file)?.[0] ?? '.tar'
    wanted.push([`k3s-images${form}`, files.images])
  }
  for (const [name, { file, sha256 }] of wanted) {
    if (have.has(`${name} ${sha256}`)) continue
    const onBytes = counter(file, note)
    const words = [script, 'receive', name, sha256]
    await runInGuest(exec, words, { signal, limitMs: bringMs, input: { file, onBytes } })
  }
}

/** Gives docker the images, where it has not all of them: somebody may have pruned them. */
async function giveImages(
  { docker, imagesMemory, signal }: ClusterInput,
  { file, sha256 }: Stored,
  { note }: StepTools,
): Promise<void> {
  const memory = readJson(imagesMemory) as { sha256: string; names: string[] } | undefined
  if (memory?.sha256 === sha256 && (await hasImages(docker, memory.names, signal))) return
  const names = await loadImages(docker, file, counter(file, note), signal)
  await writeJson(imagesMemory, { sha256, names })
}

/** Tells twice a second how much of a file is on its way. */
function counter(file: string, note: (text: string) => void): (count: number) => void {
  const { size } = statSync(file)
  let told = 0
  return (count) => {
    if (performance.now() - told < 500) return
    told = performance.now()
    note(`brings ${path.basename(file)}: ${Math.floor(count / MiB)} of ${Math.ceil(size / MiB)} MiB`)
  }
}

async function waitUntilReady(
  input: ClusterInput,
  files: ClusterFiles,
  { note }: StepTools,
): Promise<{ access: ClusterAccess; version: string }> {
  const { config, node, exec, port, portProblem, emulated, signal } = input
  const limit = emulated ? readyMs.emulated : readyMs.accelerated
  const from = performance.now()
  const { admission } = input
  const coreDns = !admission && files.images !== undefined && !withoutCoreDns(config.kubernetes.k3sArgs)
  const bootId = ['cat', '/proc/sys/kernel/random/boot_id']
  const boot = (await runInGuest(exec, bootId, { signal, limitMs: askMs })).trim()
  const wanted = { node, boot, coreDns }
  let access: ClusterAccess | undefined
  for (;;) {
    const state = readClusterState(await runInGuest(exec, [script, 'access'], { signal, limitMs: askMs }))
    const problem = portProblem()
    const elapsed = performance.now() - from
    if (state.active === 'failed' || endsAtOnce(state.restarts, elapsed) || problem !== undefined) {
      throw await broken(problem ?? 'k3s ended again and again', input)
    }
    // What the server says of a node that comes again is of before.
    const joined = state.active === 'active' ? admission?.access : undefined
    const own = state.access && { ...state.access, server: serverAt(port) }
    access = admission ? joined : own
    const found = access
      ? await readiness(access, wanted, signal)
      : { ready: false as const, waitsFor: 'k3s to begin' }
    if (found.ready && access) return { access, version: found.version }
    const reason = found.ready ? '' : found.waitsFor
    if (elapsed > limit) {
      throw await broken(
        `the cluster was not ready within ${limit / 60_000} min; it waits for ${reason}`,
        input,
      )
    }
    note(`waits for ${reason}`)
    await delay(lookMs, signal)
  }
}

async function broken(what: string, { exec, signal, profile }: ClusterInput): Promise<TcolimaError> {
  const text = await runInGuest(exec, [script, 'logs', '15'], { signal, limitMs: askMs }).catch(() => '')
  // It would try for ever.
  await runInGuest(exec, [script, 'quiet'], { signal, limitMs: askMs }).catch(() => '')
  return new TcolimaError('failed', what, {
    log: {
      path: 'journalctl -u k3s',
      lines: printable(text)
        .split('\n')
        .filter((line) => line.trim() !== ''),
    },
    hint: `More: tcolima ssh ${profile} -- journalctl -u k3s. Without the cluster: tcolima start ${profile} --kubernetes=false`,
  })
}

function serverAt(port: number): string {
  return `https://127.0.0.1:${port}`
}
