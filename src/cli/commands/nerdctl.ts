import { createReadStream } from 'node:fs'
import { nerdctlFull } from '../../artifacts/catalog.ts'
import { sourceOf } from '../../artifacts/source.ts'
import { ensureArtifact } from '../../artifacts/store.ts'
import { loadConfig } from '../../config/load.ts'
import { externalName } from '../../config/profile.ts'
import { TcolimaError } from '../../host/errors.ts'
import { runStep } from '../../host/progress.ts'
import { homePaths, instancePaths } from '../../instance/paths.ts'
import { viewInstance } from '../../instance/view.ts'
import type { CommandContext } from '../command.ts'
import { hostFacts } from '../flags.ts'
import { runInGuest } from '../guest-command.ts'
import { guestOutput } from '../guest-output.ts'
import { interruptible } from '../interrupt.ts'
import { installWrapper } from '../nerdctl-wrapper.ts'
import { mirrorOf } from '../mirror.ts'
import { ProgressView } from '../render/progress.ts'
import { requireRunning } from '../running.ts'
import { templatesFor } from '../templates.ts'

/** `tcolima nerdctl`: gives the exit code of nerdctl. */
export async function run(context: CommandContext): Promise<number> {
  const { rest, home, profile } = context
  if (rest[0] === 'install') return await installWrapper(context, rest.slice(1))
  requireRunning(context)
  const runtime = viewInstance(home, profile)?.record?.runtime
  if (runtime !== 'containerd') {
    throw new TcolimaError(
      'config',
      `${externalName(profile)} runs ${runtime ?? 'nothing'}, not containerd`,
      {
        hint: `nerdctl is for containerd: tcolima start NAME --runtime containerd, then tcolima nerdctl -p NAME`,
      },
    )
  }
  if (!(await guestOutput(context, ['sh', '-c', 'command -v nerdctl'])).ok) await bringNerdctl(context)
  const terminal = process.stdin.isTTY && process.stdout.isTTY
  return await runInGuest(context, ['sudo', '-n', 'nerdctl', ...rest], terminal)
}

/** Puts nerdctl into the guest, from its release archive. */
async function bringNerdctl(context: CommandContext): Promise<void> {
  const { home, host, output } = context
  const file = instancePaths(home, context.profile).config
  const { mirror } = loadConfig(file, {}, hostFacts(host), templatesFor(context)).config
  const view = new ProgressView(output)
  try {
    await interruptible(async (signal) => {
      const archive = await runStep(view.report, 'nerdctl', ({ note }) =>
        ensureArtifact([nerdctlFull(host.arch)], {
          folder: homePaths(home).downloads,
          source: sourceOf(mirrorOf(context, mirror), '/'),
          env: host.env,
          signal,
          note,
        }),
      )
      await runStep(view.report, 'nerdctl in the guest', async () => {
        const input = createReadStream(archive.file)
        const command = ['sudo', '-n', '/usr/lib/tcolima/install-nerdctl']
        const { ok, text } = await guestOutput(context, command, { input, signal })
        if (!ok)
          throw new TcolimaError('failed', `nerdctl could not be unpacked in the guest: ${text.trim()}`)
      })
    })
  } catch (thrown) {
    const error = TcolimaError.from(thrown)
    if (error.code === 'cancelled') throw error
    const text = `there is no nerdctl in the guest, and it could not be brought there: ${error.message}`
    throw new TcolimaError(error.code, text, {
      cause: error,
      hint: 'Where GitHub cannot be reached, the setting mirror or TCOLIMA_MIRROR names another place (docs/artifacts.md); or put a nerdctl into /usr/local/bin of the guest.',
    })
  } finally {
    view.close()
  }
}
