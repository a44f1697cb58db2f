import path from 'node:path'
import type { MountStatus } from '../../agent/api.ts'
import { askAgent } from '../../agent/ask.ts'
import { loadConfig } from '../../config/load.ts'
import { checkMounts, type MountSpec, parseMount } from '../../config/mounts.ts'
import { absolutePath } from '../../config/paths.ts'
import { externalName, profileName } from '../../config/profile.ts'
import { TcolimaError } from '../../host/errors.ts'
import { acquireLock } from '../../host/lock.ts'
import { settingsWithMount, settingsWithoutMount } from '../../instance/mount-settings.ts'
import { type InstancePaths, instancePaths } from '../../instance/paths.ts'
import { type InstanceView, viewInstance } from '../../instance/view.ts'
import { type CommandContext, isOn } from '../command.ts'
import { hostFacts, workingFolder } from '../flags.ts'
import { interruptible } from '../interrupt.ts'
import { jsonLine } from '../render/output.ts'
import { table } from '../render/table.ts'
import { templatesFor } from '../templates.ts'

/** A mount as `list` shows it; `stopped`: its machine does not run. */
type Listed = Omit<MountStatus, 'state'> & { state: MountStatus['state'] | 'stopped' }

/** `tcolima mount` */
export async function run(context: CommandContext): Promise<number> {
  const [action = '', word] = context.rest
  switch (action) {
    case 'list':
    case 'ls':
      return await list(word === undefined ? context : { ...context, profile: profileName(word) })
    case 'add':
      return await add(context, needed(word, 'add DIR[:TARGET][:w]'))
    case 'remove':
    case 'rm':
      return await remove(context, needed(word, 'remove PATH'))
    default:
      throw new TcolimaError('usage', `mount ${JSON.stringify(action)} is none of list, add and remove`)
  }
}

async function list(context: CommandContext): Promise<number> {
  const { output } = context
  const mounts = await mountsOf(context)
  if (output.json) for (const mount of mounts) jsonLine(output, mount)
  else {
    const rows = mounts.map(({ mountPoint, location, writable, state, detail }) => [
      mountPoint,
      location,
      writable ? 'writable' : 'read-only',
      `${state} ${detail}`.trimEnd(),
    ])
    output.out(table([['MOUNT POINT', 'LOCATION', 'MODE', 'STATE'], ...rows]))
  }
  return 0
}

async function mountsOf(context: CommandContext): Promise<Listed[]> {
  const { home, profile, host } = context
  const view = existing(context)
  const paths = instancePaths(home, profile)
  if (view.status === 'Running') return (await askAgent(home, paths, host, 'status', {})).mounts
  const { mounts } = settingsOf(context, paths)
  return mounts.map((mount) => ({ ...mount, watched: false, state: 'stopped', detail: '' }))
}

async function add(context: CommandContext, text: string): Promise<number> {
  const { host, home, profile } = context
  const mount = parseMount(text, { home: host.home, cwd: workingFolder() }, 'the folder')
  await checkMounts([mount])
  const paths = instancePaths(home, profile)
  const live = mayChange(context)
  if (live) {
    const params = { mount, save: isOn(context, 'save') }
    await interruptible((signal) => askAgent(home, paths, host, 'addMount', params, { signal }))
  } else await whileStopped(paths, async () => await (await settingsWithMount(paths, mount, host.home))())
  done(context, mount, live ? 'mounted' : 'mounted at the next start')
  return 0
}

async function remove(context: CommandContext, word: string): Promise<number> {
  const { host, home, profile } = context
  const paths = instancePaths(home, profile)
  const mount = named(word, await mountsOf(context), context)
  const { mountPoint } = mount
  const live = mayChange(context)
  if (live) {
    const params = { mountPoint, force: isOn(context, 'force'), save: isOn(context, 'save') }
    await interruptible((signal) => askAgent(home, paths, host, 'removeMount', params, { signal }))
  } else {
    await whileStopped(paths, async () => await (await settingsWithoutMount(paths, mountPoint, host.home))())
  }
  done(context, mount, live ? 'removed' : 'not mounted at the next start')
  return 0
}

/** Does something with the files of a machine that does not run; nobody else does meanwhile. */
async function whileStopped(paths: InstancePaths, work: () => Promise<void>): Promise<void> {
  const lock = await acquireLock(paths.lock, { purpose: 'mount' })
  try {
    await work()
  } finally {
    lock.release()
  }
}

/** Whether the machine runs; throws when it does not and nothing would be done. */
function mayChange(context: CommandContext): boolean {
  const { status } = existing(context)
  if (status === 'Running') return true
  if (status === 'Stopped' && isOn(context, 'save')) return false
  const { profile } = context
  throw new TcolimaError(
    'not-running',
    `${externalName(profile)} is ${status === 'Stopped' ? 'not running' : status.toLowerCase()}`,
    {
      hint: `Use --save to change its settings for the next start, or start it: tcolima start ${profile}`,
    },
  )
}

/** The mount that a path names: its place in the guest before its folder on the host. */
function named(word: string, mounts: Listed[], { host }: CommandContext): MountSpec {
  const cwd = workingFolder() ?? '/'
  const wanted = absolutePath(word, host.home) ?? path.resolve(cwd, word)
  const found = mounts.filter(({ mountPoint }) => mountPoint === wanted)
  const from = found.length > 0 ? found : mounts.filter(({ location }) => location === wanted)
  const [mount] = from
  const places = (all: Listed[]) => all.map(({ mountPoint }) => mountPoint).join(', ')
  if (!mount) {
    throw new TcolimaError('usage', `${wanted} is not mounted`, {
      hint: `Mounted: ${places(mounts) || 'nothing'}`,
    })
  }
  if (from.length > 1)
    throw new TcolimaError('usage', `${wanted} is mounted at ${places(from)}: name one of them`)
  return mount
}

function existing({ home, profile }: CommandContext): InstanceView {
  const view = viewInstance(home, profile)
  if (view) return view
  throw new TcolimaError('not-found', `there is no machine ${profile}`, { hint: 'See `tcolima list`.' })
}

function settingsOf(context: CommandContext, paths: InstancePaths): { mounts: MountSpec[] } {
  return loadConfig(paths.config, {}, hostFacts(context.host), templatesFor(context)).config
}

function done({ output }: CommandContext, { location, mountPoint, writable }: MountSpec, what: string): void {
  if (output.json) {
    jsonLine(output, { type: 'done', time: new Date().toISOString(), location, mountPoint, writable, what })
  } else output.err(`${mountPoint} is ${what}\n`)
}

function needed(word: string | undefined, form: string): string {
  if (word !== undefined) return word
  throw new TcolimaError('usage', `mount takes: ${form}`)
}
