import type { StartResult } from '../../agent/api.ts'
import { askAgent } from '../../agent/ask.ts'
import { type LoadedConfig, loadConfig } from '../../config/load.ts'
import { checkMounts } from '../../config/mounts.ts'
import { externalName } from '../../config/profile.ts'
import type { Config } from '../../config/schema.ts'
import { ensurePackages } from '../../host/ensure-packages.ts'
import { TcolimaError } from '../../host/errors.ts'
import { ensureDir } from '../../host/files.ts'
import { runStep } from '../../host/progress.ts'
import { homePaths, type InstancePaths, instancePaths } from '../../instance/paths.ts'
import { refuseChanges } from '../../instance/refuse-changes.ts'
import { engineNamed } from '../../runtime/engines.ts'
import { clusterEngine } from '../../runtime/kubernetes/k3s.ts'
import { leaveCluster } from '../../runtime/kubernetes/kubeconfig.ts'
import { refuseByPlatform } from '../../vm/mount-types.ts'
import { isOn, textOf, type CommandContext } from '../command.ts'
import { editConfig } from '../edit.ts'
import { configFlags, hostFacts, onOrOff } from '../flags.ts'
import { confirm } from '../confirm.ts'
import { stayInForeground } from '../foreground.ts'
import { interruptible } from '../interrupt.ts'
import { clusterConfig, kubeconfigInput } from '../kubeconfig.ts'
import { mirrorOf } from '../mirror.ts'
import { noEffectWarning } from '../no-effect.ts'
import { jsonLine, renderWarning } from '../render/output.ts'
import { ProgressView } from '../render/progress.ts'
import { waitTakenBack } from '../take-back.ts'
import { templatesFor } from '../templates.ts'

/** `tcolima start` */
export async function run(context: CommandContext): Promise<number> {
  const { home, profile, host, output } = context
  const paths = instancePaths(home, profile)
  const loaded = await checkStart(context)
  const noEffect = noEffectWarning(context)
  const warnings = [...loaded.warnings, ...(noEffect === undefined ? [] : [noEffect])]
  for (const warning of warnings) renderWarning(output, warning)

  const view = new ProgressView(output)
  const began = performance.now()
  try {
    return await interruptible(async (signal) => {
      await hostPackages(context, loaded, view, signal)
      const { config, changes, newText } = loaded
      const save = onOrOff('--save-config', context.flags.saveConfig) ?? true
      const debianMirror = textOf(context, 'debianMirror')
      const mirror = mirrorOf(context, config.mirror)
      const params = { config, changes: { ...changes }, save, newText, debianMirror, mirror }
      const result = await askAgent(home, paths, host, 'start', params, {
        report: view.report,
        signal,
      }).catch(async (error: unknown) => {
        if (signal.aborted) await takenBack(context, paths, view)
        throw error
      })
      await tellClients(context, paths, result, config, view)
      if (result.cluster) await clusterConfig(context, result.cluster, config.activate, view)
      else if (result.already) await leftCluster(context)
      view.close()
      done(context, result, performance.now() - began)
      return isOn(context, 'foreground') ? await stayInForeground(context, signal) : 0
    })
  } finally {
    view.close()
  }
}

/** Loads the settings (edited first, with --edit) and refuses what cannot be started; makes and changes nothing else. */
export async function checkStart(context: CommandContext): Promise<LoadedConfig> {
  const { host } = context
  const paths = instancePaths(context.home, context.profile)
  if (isOn(context, 'edit')) await editConfig(context)
  const loaded = loadConfig(paths.config, configFlags(context), hostFacts(host), templatesFor(context))
  if (loaded.config.arch !== host.arch) {
    throw new TcolimaError(
      'config',
      `a guest for ${loaded.config.arch} cannot be built on this ${host.arch} host yet`,
      {
        hint: `Leave --arch out, or use --arch ${host.arch}.`,
      },
    )
  }
  if (loaded.config.kubernetes.enabled) clusterEngine(loaded.config.runtime)
  refuseByPlatform(loaded.config.mountType, host.platform)
  refuseChanges(paths, loaded.config)
  await checkMounts(loaded.config.mounts, loaded.config.mountType, loaded.mountLines)
  return loaded
}

/** A running machine may have a cluster no more. */
async function leftCluster(context: CommandContext): Promise<void> {
  for (const text of await leaveCluster(kubeconfigInput(context))) renderWarning(context.output, text)
}

async function takenBack(context: CommandContext, paths: InstancePaths, view: ProgressView): Promise<void> {
  view.close()
  if (!context.output.json) context.output.err('interrupted: taking back what was started\n')
  if (await waitTakenBack(paths, context.host)) return
  renderWarning(context.output, 'the agent is still at it', `tcolima stop ${paths.profile}`)
}

/** Installs what the host lacks for these settings, after a yes. */
export async function hostPackages(
  context: CommandContext,
  loaded: LoadedConfig,
  view: ProgressView,
  signal: AbortSignal,
): Promise<void> {
  const { host, home } = context
  await runStep(view.report, 'host packages', async ({ note, detail }) => {
    await ensureDir(home)
    const interactive = process.stdin.isTTY && process.stderr.isTTY
    const result = await ensurePackages({
      host,
      guestArch: loaded.config.arch,
      docker: loaded.config.runtime === 'docker',
      virtiofs: loaded.config.mountType === 'virtiofs',
      yes: isOn(context, 'yes'),
      interactive,
      ask: (question) => {
        view.close()
        return confirm(question)
      },
      report: note,
      signal,
      logFile: homePaths(home).packageLog,
    })
    if (result.installed.length > 0) detail(`installed ${result.installed.join(' ')}`)
    for (const text of result.warnings) view.report({ type: 'warning', text })
  })
}

async function tellClients(
  context: CommandContext,
  paths: InstancePaths,
  result: StartResult,
  { runtime, activate }: Config,
  view: ProgressView,
): Promise<void> {
  const { clients, sockets } = engineNamed(runtime)
  const socket = result.sockets[sockets[0]?.name ?? '']
  if (socket === undefined) return
  const { env } = context.host
  const name = externalName(paths.profile)
  for (const client of clients) {
    await runStep(view.report, client.step, async ({ detail }) => {
      const shown = await client.show({ name, folder: paths.folder, env, socket, activate })
      detail(shown.detail)
      if (shown.warning) view.report({ type: 'warning', ...shown.warning })
    })
  }
}

function done(context: CommandContext, result: StartResult, ms: number): void {
  const { output, profile } = context
  const name = externalName(profile)
  if (output.json) {
    // The key to the cluster is for the kubeconfig.
    const { cluster: _cluster, ...shown } = result
    jsonLine(output, { type: 'done', time: new Date().toISOString(), name, ms: Math.round(ms), ...shown })
  } else if (result.already) {
    const { changed } = result
    output.err(`${name} is already running${changed.length > 0 ? `; changed: ${changed.join(', ')}` : ''}\n`)
  } else output.err(`${name} is running (${(ms / 1000).toFixed(1)} s)\n`)
}
