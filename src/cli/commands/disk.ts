import { existsSync } from 'node:fs'
import { flagChanges } from '../../config/flags.ts'
import { loadConfig } from '../../config/load.ts'
import { externalName, profileName } from '../../config/profile.ts'
import { saveConfig } from '../../config/save.ts'
import { formatSize } from '../../config/units.ts'
import { TcolimaError } from '../../host/errors.ts'
import { writeFileAtomic } from '../../host/files.ts'
import { runStep } from '../../host/progress.ts'
import { diskUse } from '../../image/unused.ts'
import { type InstancePaths, instancePaths } from '../../instance/paths.ts'
import { refuseChanges } from '../../instance/refuse-changes.ts'
import { viewInstance } from '../../instance/view.ts'
import { compactDisk, growDisk, qcow2Size } from '../../vm/disks.ts'
import type { CommandContext } from '../command.ts'
import { hostFacts } from '../flags.ts'
import { guestText } from '../guest-run.ts'
import { interruptible } from '../interrupt.ts'
import { jsonLine } from '../render/output.ts'
import { ProgressView } from '../render/progress.ts'
import { table } from '../render/table.ts'
import { templatesFor } from '../templates.ts'
import { requireRunning } from '../running.ts'
import { whileStopped } from '../stopped.ts'

/** `tcolima disk` */
export async function run(context: CommandContext): Promise<number> {
  const [action = '', word] = context.rest
  const of = (name: string | undefined) =>
    name === undefined ? context : { ...context, profile: profileName(name) }
  switch (action) {
    case 'usage':
      return await usage(of(word))
    case 'trim':
      return await trim(of(word))
    case 'compact':
      return await compact(of(word))
    case 'resize':
      if (word === undefined) throw new TcolimaError('usage', 'disk resize takes the new size in GiB')
      return await resize(context, word)
    default:
      throw new TcolimaError(
        'usage',
        `disk ${JSON.stringify(action)} is none of usage, trim, compact, resize`,
      )
  }
}

const disks = [
  { name: 'system', file: 'rootDisk', mountPoint: '/' },
  { name: 'data', file: 'dataDisk', mountPoint: '/mnt/tcolima-data' },
] as const

interface DiskUsage {
  name: string
  path: string
  /** Bytes: as the guest sees it; on this computer; and (-1 while it does not run) what its file system has in use. */
  size: number
  onHost: number
  used: number
}

async function usage(context: CommandContext): Promise<number> {
  const { output } = context
  const found = await usageOf(context)
  if (output.json) for (const disk of found) jsonLine(output, disk)
  else {
    const rows = found.map(({ name, path, size, onHost, used }) => [
      name,
      formatSize(size),
      used < 0 ? '' : formatSize(used),
      formatSize(onHost),
      path,
    ])
    output.out(table([['DISK', 'SIZE', 'USED', 'ON THIS COMPUTER', 'FILE'], ...rows]))
  }
  return 0
}

async function usageOf(context: CommandContext): Promise<DiskUsage[]> {
  const { home, profile } = context
  const view = viewInstance(home, profile)
  const paths = instancePaths(home, profile)
  // A data disk that `delete` kept is one too.
  if (!view && !existsSync(paths.dataDisk)) {
    throw new TcolimaError('not-found', `there is no machine ${profile}`, { hint: 'See `tcolima list`.' })
  }
  const used = view?.status === 'Running' ? await usedInGuest(context) : new Map<string, number>()
  const found = disks.filter(({ file }) => existsSync(paths[file]))
  return await Promise.all(
    found.map(async ({ name, file, mountPoint }) => ({
      name,
      path: paths[file],
      size: qcow2Size(paths[file]) ?? 0,
      onHost: await diskUse(paths[file]),
      used: used.get(mountPoint) ?? -1,
    })),
  )
}

async function usedInGuest(context: CommandContext): Promise<Map<string, number>> {
  const places = disks.map(({ mountPoint }) => mountPoint)
  const said = await guestText(context, ['df', '-B1', '--output=used,target', ...places])
  const lines = said.split('\n').slice(1)
  return new Map(
    lines.flatMap((line): [string, number][] => {
      const [, bytes = '', place = ''] = /^\s*(\d+) (.+)$/.exec(line) ?? []
      return place === '' ? [] : [[place, Number(bytes)]]
    }),
  )
}

/** What the guest has deleted is given back to this computer. */
async function trim(context: CommandContext): Promise<number> {
  requireRunning(context)
  return await freeing(context, 'trim', async () => {
    const places = disks.map(({ mountPoint }) => mountPoint)
    await guestText(context, [
      'sudo',
      '-n',
      'sh',
      '-c',
      'for p; do fstrim "$p" || exit; done',
      'sh',
      ...places,
    ])
  })
}

/** Writes the disks anew, without what is empty in them. */
async function compact(context: CommandContext): Promise<number> {
  return await freeing(context, 'compact', (signal) =>
    whileStopped(context, 'disk compact', async (paths) => {
      for (const { file } of disks) if (existsSync(paths[file])) await compactDisk(paths[file], signal)
    }),
  )
}

async function freeing(
  context: CommandContext,
  step: string,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<number> {
  const { home, profile, output } = context
  const paths = instancePaths(home, profile)
  const total = async () =>
    (await Promise.all(disks.map(({ file }) => diskUse(paths[file])))).reduce((a, b) => a + b)
  const view = new ProgressView(output)
  const before = await total()
  try {
    await interruptible((signal) => runStep(view.report, step, () => work(signal)))
  } finally {
    view.close()
  }
  const bytes = Math.max(0, before - (await total()))
  const name = externalName(profile)
  if (output.json) jsonLine(output, { type: 'done', time: new Date().toISOString(), name, bytes })
  else output.err(`${formatSize(bytes)} of this computer's disk are free again\n`)
  return 0
}

/** Sets the size of the data disk; one that does not run gets it at once, else at its next start. */
async function resize(context: CommandContext, word: string): Promise<number> {
  const { home, profile, host, output } = context
  const facts = hostFacts(host)
  const flags = { disk: word.replace(/(?:GiB?|G)$/i, '') }
  const grow = async (paths: InstancePaths, live: boolean) => {
    const { config } = loadConfig(paths.config, flags, facts, templatesFor(context))
    refuseChanges(paths, config)
    await saveConfig(paths.config, flagChanges(flags, facts), writeFileAtomic)
    const size = qcow2Size(paths.dataDisk)
    if (!live && size !== undefined && size < config.disk) await growDisk(paths.dataDisk, config.disk)
    return config.disk
  }
  const live = viewInstance(home, profile)?.status === 'Running'
  const size = live
    ? await grow(instancePaths(home, profile), true)
    : await whileStopped(context, 'disk resize', (paths) => grow(paths, false))
  const name = externalName(profile)
  const when = live ? `; ${name} gets it when it is restarted` : ''
  if (output.json) {
    jsonLine(output, { type: 'done', time: new Date().toISOString(), name, size, restart: live })
  } else output.err(`the data disk has ${formatSize(size)}${when}\n`)
  return 0
}
