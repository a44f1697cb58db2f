import type { ProvisionScript } from '../config/scripts.ts'
import { hasScripts, type ProvisionPhase, provisionFailures, provisionSubject } from '../guest/provision.ts'
import { TcolimaError } from '../host/errors.ts'
import { type Report, runStep } from '../host/progress.ts'
import type { GuestState } from './guest-state.ts'

// Milliseconds, a little more than the guest's own limit (tcolima-provision.service): its word comes first.
const limitMs = 31 * 60_000
// A script that takes so long may wait for something that never comes.
const longMs = 60_000

// The first guest that has them: an instance keeps the guest it was made with.
const provisioningVersion = 2

/** What waiting for the user's scripts needs. */
export interface ProvisioningInput {
  profile: string
  guest: GuestState
  scripts: readonly ProvisionScript[]
  report: Report
  signal: AbortSignal
}

/**
 * Waits until the guest has run the user's scripts of a phase, and tells each that failed as a warning: the machine is
 * there all the same. Gives the warnings. Throws `failed` when they do not end.
 */
export async function waitProvisioned(
  phase: ProvisionPhase,
  input: ProvisioningInput,
): Promise<{ text: string; hint: string }[]> {
  const { guest, scripts, profile, report, signal } = input
  if (!hasScripts(scripts, phase)) return []
  if (guest.version < provisioningVersion) {
    if (phase === 'ready') return []
    const text = 'this machine was made by an older tcolima, and its guest runs no provision scripts'
    const hint = `Make it anew: tcolima delete ${profile} keeps images, containers and volumes, then start.`
    report({ type: 'warning', text, hint })
    return [{ text, hint }]
  }
  const hint = `\`tcolima logs ${profile} --source serial\` shows what it said.`
  return await runStep(
    report,
    phase === 'boot' ? 'provision' : 'provision (ready)',
    async ({ note, detail }) => {
      const timer = setTimeout(() => note(`a script still runs; ${hint}`), longMs)
      const unit = `tcolima-${phase === 'boot' ? 'provision' : 'ready'}`
      try {
        const over = () => {
          if (guest.failed.has(unit)) {
            throw new TcolimaError('failed', 'the provision scripts did not end within 30 minutes', { hint })
          }
          return guest.ready.has(provisionSubject(phase))
        }
        await guest.wait('the provision scripts did not end', over, limitMs, signal)
      } finally {
        clearTimeout(timer)
      }
      const failures = provisionFailures(guest.failed)
        .map((failure) => ({ ...failure, mode: scripts[failure.index]?.mode }))
        .filter(({ mode }) => (mode === 'ready') === (phase === 'ready'))
      if (failures.length > 0) detail(`${failures.length} failed`)
      const warnings = failures.map(({ index, mode, status }) => ({
        text: `provision[${index}] (${mode}) failed with status ${status}`,
        hint,
      }))
      for (const warning of warnings) report({ type: 'warning', ...warning })
      return warnings
    },
  )
}
