import { existsSync } from 'node:fs'
import path from 'node:path'
import { parseConfig } from '../../config/load.ts'
import { externalName, profileName } from '../../config/profile.ts'
import { messageOf, TcolimaError } from '../../host/errors.ts'
import { ensureDir, writeFileAtomic } from '../../host/files.ts'
import { runStep } from '../../host/progress.ts'
import { connectablePath, isSocketAlive } from '../../host/sockets.ts'
import { instancePaths } from '../../instance/paths.ts'
import { viewInstance } from '../../instance/view.ts'
import { colimaHome, type ColimaProfile, colimaProfiles } from '../colima-home.ts'
import { type CommandContext, isOn, textOf } from '../command.ts'
import { copyImages, dockerImages } from '../docker-copy.ts'
import { copyVolumes, type DockerVolume, helperImage, planVolumes } from '../docker-volumes.ts'
import { hostFacts } from '../flags.ts'
import { interruptible } from '../interrupt.ts'
import { jsonLine, renderWarning } from '../render/output.ts'
import { ProgressView } from '../render/progress.ts'

/** What is to be done for a profile of Colima. */
interface Plan {
  name: string
  from: string
  /** Its settings: to be written, there already, or why they cannot be. */
  settings: 'new' | 'kept' | 'refused'
  reason?: string
  warnings: string[]
  /** Its images and volumes: names that the machine here lacks, or why they are not known or not to be copied yet. */
  images: string[]
  volumes: string[]
  dataReason?: string
  /** Volumes that stay behind, each with the reason. */
  volumesStay: DockerVolume[]
}

/** `tcolima migrate colima` */
export async function run(context: CommandContext): Promise<number> {
  const { host, output, rest, flags } = context
  const [source, word = flags.profile] = rest
  if (source !== 'colima') {
    throw new TcolimaError('usage', `migrate takes colima, not ${JSON.stringify(source)}`)
  }
  const apply = isOn(context, 'apply')
  if (apply && isOn(context, 'dryRun')) {
    throw new TcolimaError('usage', '--dry-run does nothing, and --apply does it: give one of them')
  }
  const folder = path.resolve(textOf(context, 'from') ?? colimaHome(host.env, host.home))
  const only = typeof word === 'string' ? profileName(word) : undefined
  const profiles = colimaProfiles(folder).filter(({ name }) => only === undefined || name === only)
  if (profiles.length === 0) {
    throw new TcolimaError('not-found', `there is no profile of Colima in ${folder}`, {
      hint: 'Name its folder with --from.',
    })
  }
  const view = new ProgressView(output)
  try {
    return await interruptible(async (signal) => {
      let failed = false
      for (const profile of profiles) {
        const plan = await planFor(context, profile, signal)
        failed ||= plan.settings === 'refused'
        if (apply) await carryOut(context, profile, plan, view, signal)
        view.close()
        tell(context, plan, apply)
      }
      if (!apply && !output.json) output.err('Nothing was changed: add --apply to do it.\n')
      return failed ? 1 : 0
    })
  } finally {
    view.close()
  }
}

async function planFor(context: CommandContext, profile: ColimaProfile, signal: AbortSignal): Promise<Plan> {
  const paths = instancePaths(context.home, profile.name)
  const settings = settingsOf(context, profile)
  const plan: Plan = {
    name: profile.name,
    from: path.dirname(profile.file),
    ...settings,
    images: [],
    volumes: [],
    volumesStay: [],
  }
  if (!(await isSocketAlive(profile.socket))) {
    return { ...plan, dataReason: 'its docker does not answer: start Colima to have them copied' }
  }
  try {
    const images = await dockerImages(profile.socket, signal)
    const own = dockerSocket(context, profile.name)
    const isRunning = viewInstance(context.home, profile.name)?.status === 'Running'
    const { copy, stay } = await planVolumes(profile.socket, isRunning ? own : undefined, signal)
    const there = isRunning
      ? new Set((await dockerImages(own, signal)).map(({ id }) => id))
      : new Set<string>()
    const missing = images
      .filter(({ id }) => !there.has(id))
      .flatMap(({ names }) => names)
      .filter((name) => name !== helperImage)
    const reason = `start the machine to have them copied: tcolima start ${paths.profile}, then run this again`
    return {
      ...plan,
      images: missing,
      volumes: copy,
      volumesStay: stay,
      ...(isRunning || missing.length + copy.length === 0 ? {} : { dataReason: reason }),
    }
  } catch (error) {
    if (signal.aborted) throw error
    return { ...plan, dataReason: messageOf(error) }
  }
}

function settingsOf(
  { home, host }: CommandContext,
  { name, file, text }: ColimaProfile,
): Pick<Plan, 'settings' | 'reason' | 'warnings'> {
  const { config } = instancePaths(home, name)
  if (existsSync(config) || viewInstance(home, name)) return { settings: 'kept', warnings: [] }
  try {
    const { warnings } = parseConfig(text, file, {}, hostFacts(host))
    return { settings: 'new', warnings }
  } catch (error) {
    return { settings: 'refused', reason: messageOf(error), warnings: [] }
  }
}

/** Does what is planned; the plan says then what was done. */
async function carryOut(
  context: CommandContext,
  profile: ColimaProfile,
  plan: Plan,
  view: ProgressView,
  signal: AbortSignal,
): Promise<void> {
  const { folder, config } = instancePaths(context.home, profile.name)
  if (plan.settings === 'new') {
    await ensureDir(folder)
    await writeFileAtomic(config, profile.text)
  }
  if (plan.dataReason !== undefined) return
  const own = dockerSocket(context, profile.name)
  const { images, volumes } = plan
  if (images.length > 0) {
    await runStep(view.report, `images of ${profile.name}`, async ({ detail }) => {
      await copyImages(profile.socket, own, images, signal)
      detail(String(images.length))
    })
  }
  // Without any too: what an interrupted run left goes.
  if (volumes.length === 0) await copyVolumes(profile.socket, own, [], () => undefined, signal)
  else {
    await runStep(view.report, `volumes of ${profile.name}`, async ({ note, detail }) => {
      const { copy, stay } = await copyVolumes(profile.socket, own, volumes, note, signal)
      plan.volumes = copy
      plan.volumesStay.push(...stay)
      detail(String(copy.length))
    })
  }
}

function dockerSocket({ home, host }: CommandContext, name: string): string {
  return connectablePath(path.join(instancePaths(home, name).folder, 'docker.sock'), host.platform)
}

function tell({ output }: CommandContext, plan: Plan, apply: boolean): void {
  const { name, from, settings, reason, warnings, images, volumes, dataReason } = plan
  if (output.json) {
    jsonLine(output, { type: apply ? 'done' : 'plan', time: new Date().toISOString(), ...plan })
    return
  }
  output.out(`${externalName(name)} (from ${from})\n`)
  const words = {
    new: apply ? 'taken over' : 'to be taken over',
    kept: 'left alone: there is a machine of that name',
    refused: `cannot be taken over: ${reason}`,
  }
  output.out(`  settings: ${words[settings]}\n`)
  const how = dataReason ?? (apply ? 'copied' : 'to be copied')
  for (const [what, names] of Object.entries({ images, volumes })) {
    const text = names.length > 0 ? `${names.join(', ')}: ${how}` : (dataReason ?? 'none that is not here')
    output.out(`  ${`${what}:`.padEnd(10)}${text}\n`)
  }
  for (const { name, reason } of plan.volumesStay)
    output.out(`            ${name} stays in Colima: ${reason}\n`)
  for (const warning of warnings) renderWarning(output, warning)
}
