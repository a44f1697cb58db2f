import { type ProvisionScript, provisionModes } from '../config/scripts.ts'

/** The part of a boot in which scripts run: before the engine starts, or once it answers. */
export type ProvisionPhase = 'boot' | 'ready'

/** A script that failed: its place in the settings, and the status it ended with. */
export interface ProvisionFailure {
  index: number
  status: number
}

/**
 * The user's scripts as files of the seed, by names in the order in which they run: `provision/0.2.system` is the third
 * of the settings. One without a first line that names its interpreter is the shell's. Pure.
 */
export function provisionFiles(scripts: readonly ProvisionScript[]): Record<string, string> {
  return Object.fromEntries(
    scripts.map(({ mode, script }, index) => {
      const place = String(index).padStart(4, '0')
      const name = `provision/${provisionModes.indexOf(mode)}.${place}.${mode}`
      return [name, script.startsWith('#!') ? script : `#!/bin/sh\n${script}`]
    }),
  )
}

/** How the guest names a phase that is over, whatever came of its scripts. */
export function provisionSubject(phase: ProvisionPhase): string {
  return phase === 'boot' ? 'provision' : 'provision-ready'
}

/** Whether a phase has scripts. Pure. */
export function hasScripts(scripts: readonly ProvisionScript[], phase: ProvisionPhase): boolean {
  return scripts.some(({ mode }) => (mode === 'ready') === (phase === 'ready'))
}

/** Reads what the guest told has failed: `provision.2.1` is the third script, with status 1. In their order. Pure. */
export function provisionFailures(failed: Iterable<string>): ProvisionFailure[] {
  return [...failed]
    .flatMap((subject) => {
      const [, index, status] = /^provision\.(\d+)\.(\d+)$/.exec(subject) ?? []
      return index === undefined ? [] : [{ index: Number(index), status: Number(status) }]
    })
    .sort((a, b) => a.index - b.index)
}
