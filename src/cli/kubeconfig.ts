import { externalName } from '../config/profile.ts'
import { runStep } from '../host/progress.ts'
import { instancePaths } from '../instance/paths.ts'
import { type KubeconfigInput, showCluster } from '../runtime/kubernetes/kubeconfig.ts'
import type { ClusterAccess } from '../runtime/kubernetes/kubeconfig-text.ts'
import type { CommandContext } from './command.ts'
import type { ProgressView } from './render/progress.ts'

/** What the user's kubeconfig files are to do with a command's instance. */
export function kubeconfigInput({ home, profile, host }: CommandContext): KubeconfigInput {
  const { folder } = instancePaths(home, profile)
  return { name: externalName(profile), folder, env: host.env, home: host.home }
}

/** The step of a command that puts a cluster into the user's kubeconfig. */
export async function clusterConfig(
  context: CommandContext,
  access: ClusterAccess,
  activate: boolean,
  view: ProgressView,
): Promise<void> {
  await runStep(view.report, 'kubeconfig', async ({ detail }) => {
    const shown = await showCluster({ ...kubeconfigInput(context), access, activate })
    detail(shown.detail)
    if (shown.warning) view.report({ type: 'warning', ...shown.warning })
  })
}
