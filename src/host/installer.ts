import { appendFileSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { messageOf, TcolimaError } from './errors.ts'
import { type CommandStyle, installCommand, updateCommand, withoutDockerDaemon } from './install-commands.ts'
import { listsAge } from './package-lists.ts'
import {
  type MissingProgram,
  missingPackages,
  names,
  type PackageFacts,
  type PackageManager,
} from './packages.ts'
import { commandLine } from './run.ts'
import type { HostSystem } from './system.ts'

/** How far the installer may go, and whom it tells. */
export interface InstallOptions {
  /** Whether a user sits at a terminal and can answer sudo. */
  interactive: boolean
  /** Takes lines that tell what is being done. */
  report: (line: string) => void
  signal?: AbortSignal | undefined
  /** Where the output of the package manager goes; made when missing, added to when there. */
  logFile: string
}

/** What was done. */
export interface EnsureResult {
  /** Packages that were installed. */
  installed: string[]
  /** What is missing that tcolima can do without, one sentence each. */
  warnings: string[]
}

// As long as dpkg's own lock is waited for.
const lockWaitMs = 120_000

/** Runs the package manager for what is missing; one use. */
export class Installer {
  private readonly options: InstallOptions
  private readonly system: HostSystem
  private readonly facts: PackageFacts
  private readonly manager: PackageManager
  private readonly style: CommandStyle
  private readonly lastLines: string[] = []
  private updated = false

  constructor(options: InstallOptions, system: HostSystem, facts: PackageFacts, manager: PackageManager) {
    this.options = options
    this.system = system
    this.facts = facts
    this.manager = manager
    this.style = { root: facts.root, sudo: options.interactive ? 'ask' : 'never-ask' }
  }

  async install(
    packages: string[],
    required: MissingProgram[],
    optional: MissingProgram[],
  ): Promise<EnsureResult> {
    const { report, logFile } = this.options
    mkdirSync(path.dirname(logFile), { recursive: true, mode: 0o700 })
    await this.refreshLists()
    if (packages.length > 0) {
      report(`Installing ${packages.join(', ')} (log: ${logFile})`)
      await this.withFreshLists(installCommand(this.manager, packages, this.style))
    }
    const still = missingPackages(this.facts).filter((each) => !each.optional)
    if (still.length > 0) {
      throw this.failure(`${names(still)} still missing after installing ${names(required)}`)
    }
    const installed = [...packages]
    const warnings: string[] = []
    for (const each of optional) {
      const outcome = await this.installOptional(each)
      installed.push(...outcome.installed)
      warnings.push(...outcome.warnings)
    }
    return { installed, warnings }
  }

  private async installOptional(missing: MissingProgram): Promise<EnsureResult> {
    for (const choice of missing.choices) {
      if (this.manager === 'apt' && !(await this.isKnownToApt(choice))) continue
      this.options.report(`Installing ${choice.join(', ')} (log: ${this.options.logFile})`)
      try {
        return { installed: choice, warnings: await this.installQuietly(choice) }
      } catch (error) {
        if (this.options.signal?.aborted) throw error
      }
    }
    return {
      installed: [],
      warnings: [`${missing.program} is not installed: ${missing.hint ?? 'no package brings it'}`],
    }
  }

  /** Gives what the user should know about the packages. */
  private async installQuietly(packages: string[]): Promise<string[]> {
    const command = installCommand(this.manager, packages, this.style)
    if (!packages.includes('docker.io')) {
      await this.execute(command)
      return []
    }
    const note = 'docker.io brings the docker program and a Docker daemon to this machine'
    if (!this.system.exists('/run/systemd/system')) {
      await this.execute(command)
      return [`${note}; tcolima does not use the daemon`]
    }
    const { before, after } = withoutDockerDaemon(this.style)
    for (const each of before) await this.execute(each)
    try {
      await this.execute(command)
    } finally {
      for (const each of after) await this.execute(each)
    }
    return [`${note}; the daemon was left switched off, tcolima does not use it`]
  }

  private async isKnownToApt(packages: string[]): Promise<boolean> {
    const { stdout } = await this.system.run('apt-cache', ['policy', ...packages], {
      signal: this.options.signal,
      env: { LC_ALL: 'C' },
      allow: 'any',
    })
    const candidates = [...stdout.matchAll(/^\s+Candidate: (.*)$/gm)]
    return candidates.length === packages.length && candidates.every(([, version]) => version !== '(none)')
  }

  // Lists that are days old may name versions the mirror no longer has.
  private async withFreshLists(command: string[]): Promise<void> {
    try {
      await this.execute(command)
    } catch (error) {
      if (
        this.updated ||
        this.options.signal?.aborted ||
        updateCommand(this.manager, this.style) === undefined
      )
        throw error
      await this.update()
      await this.execute(command)
    }
  }

  private async refreshLists(): Promise<void> {
    const age = listsAge(this.manager, this.system)
    if (age === 'fresh') return
    try {
      await this.update()
    } catch (error) {
      // Old lists may still do, for example when one of several mirrors does not answer.
      if (age === 'missing' || this.options.signal?.aborted) throw error
    }
  }

  private async update(): Promise<void> {
    const command = updateCommand(this.manager, this.style)
    if (command === undefined) return
    this.options.report('Fetching the lists of packages')
    await this.execute(command)
    this.updated = true
  }

  private async execute(command: string[]): Promise<void> {
    const [cmd = '', ...args] = command
    const deadline = performance.now() + lockWaitMs
    for (;;) {
      this.log(`$ ${commandLine(cmd, args)}`)
      let locked = false
      try {
        await this.system.run(cmd, args, {
          signal: this.options.signal,
          terminal: this.style.sudo === 'ask' && !this.style.root,
          onLine: (line) => {
            locked ||= /Could not get lock|Unable to lock/.test(line)
            this.log(line)
          },
        })
        return
      } catch (error) {
        if (error instanceof TcolimaError && error.code === 'cancelled') throw error
        // The option for dpkg's lock covers neither the lists' nor the archive's.
        if (!locked || performance.now() > deadline)
          throw this.failure(`${commandLine(cmd, args)} failed`, error)
        await this.system.sleep(3000, this.options.signal)
      }
    }
  }

  private log(line: string): void {
    appendFileSync(this.options.logFile, `${line}\n`, { mode: 0o600 })
    this.lastLines.push(line)
    if (this.lastLines.length > 15) this.lastLines.shift()
  }

  private failure(message: string, cause?: unknown): TcolimaError {
    const refused = cause !== undefined && /a password is required/.test(messageOf(cause))
    return new TcolimaError(refused ? 'host' : 'failed', message, {
      hint: refused
        ? 'sudo needs a password: run tcolima at a terminal, or install the packages beforehand.'
        : undefined,
      log: { path: this.options.logFile, lines: [...this.lastLines] },
      cause,
    })
  }
}
