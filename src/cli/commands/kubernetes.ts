import { parse } from 'yaml'
import type { ClusterParams, ClusterResult } from '../../agent/api.ts'
import { askAgent } from '../../agent/ask.ts'
import { loadConfig } from '../../config/load.ts'
import { externalName, profileName } from '../../config/profile.ts'
import { TcolimaError } from '../../host/errors.ts'
import { instancePaths } from '../../instance/paths.ts'
import { clusterEngine } from '../../runtime/kubernetes/k3s.ts'
import { withCluster, withCurrent } from '../../runtime/kubernetes/kubeconfig-text.ts'
import { leaveCluster, removeCluster } from '../../runtime/kubernetes/kubeconfig.ts'
import type { CommandContext } from '../command.ts'
import { configFlags, hostFacts } from '../flags.ts'
import { interruptible } from '../interrupt.ts'
import { clusterConfig, kubeconfigInput } from '../kubeconfig.ts'
import { mirrorOf } from '../mirror.ts'
import { jsonLine, renderWarning } from '../render/output.ts'
import { ProgressView } from '../render/progress.ts'
import { requireRunning } from '../running.ts'
import { templatesFor } from '../templates.ts'

/** `tcolima kubernetes` */
export async function run(given: CommandContext): Promise<number> {
  const [action = '', profile] = given.rest
  const context = profile === undefined ? given : { ...given, profile: profileName(profile) }
  switch (action) {
    case 'start':
      return await start(context, 'start')
    case 'reset':
      return await start(context, 'reset')
    case 'stop':
      return await end(context, 'stop')
    case 'delete':
      return await end(context, 'delete')
    case 'kubeconfig':
      return await kubeconfig(context)
    default:
      throw new TcolimaError(
        'usage',
        `kubernetes ${JSON.stringify(action)} is none of start, stop, reset, delete and kubeconfig`,
      )
  }
}

async function start(context: CommandContext, action: 'start' | 'reset'): Promise<number> {
  const { home, profile, host } = context
  requireRunning(context)
  const flags = configFlags({ ...context, flags: { ...context.flags, kubernetes: true } })
  const file = instancePaths(home, profile).config
  const { config, changes } = loadConfig(file, flags, hostFacts(host), templatesFor(context))
  clusterEngine(config.runtime)
  const view = new ProgressView(context.output)
  try {
    const params = {
      action,
      kubernetes: config.kubernetes,
      changes: { ...changes },
      mirror: mirrorOf(context, config.mirror),
    }
    const { cluster } = await ask(context, params, view)
    if (cluster) await clusterConfig(context, cluster, config.activate, view)
  } finally {
    view.close()
  }
  done(context, action === 'start' ? 'runs' : 'is new')
  return 0
}

async function end(context: CommandContext, action: 'stop' | 'delete'): Promise<number> {
  requireRunning(context)
  const view = new ProgressView(context.output)
  try {
    const changes = action === 'delete' ? { kubernetes: { enabled: false } } : {}
    await ask(context, { action, changes }, view)
  } finally {
    view.close()
  }
  const input = kubeconfigInput(context)
  const warnings = await (action === 'stop' ? leaveCluster(input) : removeCluster(input))
  for (const text of warnings) renderWarning(context.output, text)
  done(context, action === 'stop' ? 'is stopped' : 'is deleted')
  return 0
}

async function kubeconfig(context: CommandContext): Promise<number> {
  requireRunning(context)
  const view = new ProgressView(context.output)
  const { cluster } = await ask(context, { action: 'access', changes: {} }, view)
  const { output, profile } = context
  const name = externalName(profile)
  if (!cluster) return 0
  const text = withCurrent(withCluster('', 'kubeconfig', name, cluster), 'kubeconfig', name)
  // kubectl reads both.
  if (output.json) jsonLine(output, parse(text))
  else output.out(text)
  return 0
}

async function ask(
  { home, profile, host }: CommandContext,
  params: ClusterParams,
  view: ProgressView,
): Promise<ClusterResult> {
  const paths = instancePaths(home, profile)
  return await interruptible((signal) =>
    askAgent(home, paths, host, 'cluster', params, { report: view.report, signal }),
  )
}

function done({ output, profile }: CommandContext, what: string): void {
  const name = externalName(profile)
  if (output.json) jsonLine(output, { type: 'done', time: new Date().toISOString(), name, what })
  else output.err(`Kubernetes of ${name} ${what}\n`)
}
