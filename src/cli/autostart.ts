import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { externalName } from '../config/profile.ts'
import { installationFolder } from '../host/assets.ts'
import { type AutostartJob, autostarted, autostartFile, autostartText } from '../host/autostart.ts'
import { messageOf, TcolimaError } from '../host/errors.ts'
import { ensureDir, writeFileAtomic } from '../host/files.ts'
import type { Host } from '../host/platform.ts'
import { run as runProgram, type Run } from '../host/run.ts'
import { instancePaths } from '../instance/paths.ts'
import type { CommandContext } from './command.ts'

/** Whose autostart, and how programs are run. */
export type AutostartInput = Pick<CommandContext, 'host' | 'home' | 'profile'> & { run?: Run }

/** The file by which a machine starts when its user logs in; it is there exactly when it does. */
export function autostartPlace({ host, profile }: AutostartInput): string {
  return autostartFile(host, serviceOf(profile))
}

/**
 * Has the machine start when its user logs in. Gives what the user should know. Throws `host` where the system's own
 * tools refuse; nothing is left then.
 */
export async function enableAutostart(input: AutostartInput): Promise<string | undefined> {
  const { host, profile, run = runProgram } = input
  const file = autostartPlace(input)
  await ensureDir(path.dirname(file), 0o755)
  await writeFileAtomic(file, autostartText(host.platform, jobOf(input)), 0o644)
  // launchd reads its folder at each login by itself.
  if (host.platform === 'darwin') return undefined
  try {
    await run('systemctl', ['--user', 'daemon-reload'])
    await run('systemctl', ['--user', 'enable', `${serviceOf(profile)}.service`])
  } catch (error) {
    await rm(file, { force: true })
    throw new TcolimaError('host', `systemd did not take the service: ${messageOf(error)}`, {
      hint: 'Autostart needs a systemd of the user: it is there in a login session, and in most others not.',
      cause: error,
    })
  }
  return `To have it start with the computer, before anybody logs in: loginctl enable-linger ${host.user}`
}

/** The machine starts no longer by itself; gives whether it did. What runs goes on. */
export async function disableAutostart(input: AutostartInput): Promise<boolean> {
  const { host, profile, run = runProgram } = input
  const file = autostartPlace(input)
  if (!existsSync(file)) return false
  const service = serviceOf(profile)
  // The file is what counts: a manager that is not there has nothing to forget.
  const tell = (cmd: string, args: string[]) => run(cmd, args, { allow: 'any' }).catch(() => undefined)
  if (host.platform === 'linux') await tell('systemctl', ['--user', 'disable', `${service}.service`])
  else await tell('launchctl', ['bootout', `gui/${host.uid}/${service}`])
  await rm(file, { force: true })
  if (host.platform === 'linux') await tell('systemctl', ['--user', 'daemon-reload'])
  return true
}

/**
 * Takes autostart from a machine whose name is about to go. Its folder remembers it: of a machine that is there after all,
 * or under another name, `returnAutostart` has it start by itself again.
 */
export async function lendAutostart(input: AutostartInput): Promise<void> {
  if (!existsSync(autostartPlace(input))) return
  // Nothing is in it that could be half there.
  await writeFile(instancePaths(input.home, input.profile).autostartOwed, '')
  await disableAutostart(input)
}

/** Gives back what `lendAutostart` took, where anything was. Throws like `enableAutostart`, once. */
export async function returnAutostart(input: AutostartInput): Promise<void> {
  const { autostartOwed } = instancePaths(input.home, input.profile)
  if (!existsSync(autostartOwed)) return
  try {
    await enableAutostart(input)
  } finally {
    await rm(autostartOwed, { force: true })
  }
}

function jobOf({ host, home, profile }: AutostartInput): AutostartJob {
  const program = [process.execPath, path.join(installationFolder(), 'dist', 'main.cjs')]
  return {
    name: externalName(profile),
    service: serviceOf(profile),
    start: [...program, 'start', profile],
    stop: [...program, 'stop', profile],
    env: { TCOLIMA_HOME: home, [autostarted]: '1', ...pathOf(host) },
  }
}

/** Docker's client and QEMU may lie where only the user's shell looks. */
function pathOf({ env }: Host): Record<string, string> {
  return env.PATH === undefined ? {} : { PATH: env.PATH }
}

function serviceOf(profile: string): string {
  return externalName(profile)
}
