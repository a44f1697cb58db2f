import { release } from 'node:os'
import path from 'node:path'
import { ensureDir } from '../host/files.ts'
import { type Report, runStep } from '../host/progress.ts'
import { installationFolder } from '../host/assets.ts'
import { bootId } from '../host/boot-id.ts'
import { findHostProgram } from '../host/programs.ts'
import { ensureImage } from '../image/build.ts'
import { distributionTitle, recipeFor } from '../image/recipe.ts'
import { findImage, type Image } from '../image/store.ts'
import { ensureInstance, kernelFor } from '../instance/create.ts'
import { homePaths } from '../instance/paths.ts'
import { type InstanceRecord, readRecord } from '../instance/record.ts'
import { refuseChanges } from '../instance/refuse-changes.ts'
import { engineNamed } from '../runtime/engines.ts'
import { chooseAccelerator } from '../vm/accelerators.ts'
import { type QemuFacts, qemuFacts } from '../vm/capabilities.ts'
import { type Accelerator, qemuProgram } from '../vm/command-line.ts'
import { requireMountType } from '../vm/mount-types.ts'
import { proveAccelerator } from '../vm/prove.ts'
import type { Virtiofsd } from '../vm/virtiofsd.ts'
import type { StartParams } from './api.ts'
import type { AgentContext } from './context.ts'
import { saveSettings } from './save-settings.ts'

/** Everything a machine needs before QEMU starts. */
export interface Prepared {
  record: InstanceRecord
  image: Image
  accelerator: Accelerator
  facts: QemuFacts
  /** What serves the mounts, where their type takes a program of its own. */
  virtiofsd?: Virtiofsd | undefined
}

/** The steps before QEMU starts: settings, image, accelerator, disks. Each can be interrupted and taken up again. */
export async function prepare(
  context: AgentContext,
  params: StartParams,
  report: Report,
  signal: AbortSignal,
): Promise<Prepared> {
  const { paths, host, home } = context
  const { config } = params
  const existing = readRecord(paths.record)
  refuseChanges(paths, config)
  const program = qemuProgram(config.arch)
  const virtiofsd = await requireMountType({
    type: config.mountType,
    host,
    qemu: program,
    which: (name) => findHostProgram(name, host.env.PATH, host.platform),
  })
  await ensureDir(paths.folder)
  await saveSettings(context, params)

  const image = await runStep(report, 'image', async ({ note, detail }) => {
    const kept = existing && (await findImage(homePaths(home).images, existing.imageDigest))
    if (kept) return kept
    const guestFolder = path.join(installationFolder(), 'guest')
    const kernel = kernelFor(config.mountType, existing)
    const { arch, distro, runtime } = config
    const engine = engineNamed(runtime)
    const recipe = recipeFor({ distro, arch, engine, guestFolder, mirror: params.debianMirror, kernel })
    const root = host.uid === 0
    const made = await ensureImage(recipe, {
      imagesFolder: homePaths(home).images,
      guestFolder,
      root,
      signal,
      note,
    })
    const title = distributionTitle(distro)
    detail(made.built ? `${title}, built here` : title)
    return made
  })
  if (existing && existing.imageSha256 !== image.sha256) {
    report({
      type: 'warning',
      text: 'the image this instance was made from is gone or damaged: its system disk is made anew',
      hint: `Images, containers and volumes are on the data disk and stay. The old system disk is kept as ${paths.rootDisk}.old.`,
    })
  }

  const facts = await qemuFacts(program)
  const accelerator = await runStep(report, 'accelerator', async ({ detail }) => {
    const choice = await chooseAccelerator({
      host,
      guestArch: config.arch,
      wanted: config.accel,
      available: facts.accelerators,
      key: `${release()} ${bootId(host.platform)} ${program} ${facts.version}`,
      memory: homePaths(home).accelerators,
      prove: (name) =>
        proveAccelerator(name, {
          program,
          arch: config.arch,
          kernel: image.kernel,
          initrd: image.initrd,
          signal,
        }),
    })
    if (choice.warning) report({ type: 'warning', ...choice.warning })
    detail(choice.accelerator)
    return choice.accelerator
  })

  const record = await runStep(report, 'disks', () =>
    ensureInstance({ paths, config, image, host, signal }, existing),
  )
  return { record, image, accelerator, facts, virtiofsd }
}
