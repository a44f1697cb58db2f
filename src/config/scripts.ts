import * as z from 'zod'

/** When a script of the user runs in the guest, and as whom. */
export const provisionModes = ['system', 'user', 'after-boot', 'ready'] as const

/** A script that runs in the guest at every boot. */
export interface ProvisionScript {
  /** `system`: as root; the others as the user. All but `ready` before the engine starts, in this order. */
  mode: (typeof provisionModes)[number]
  script: string
}

/** A script that must succeed in the guest before a start is over. */
export interface Probe {
  script: string
  description: string
  hint: string
}

/** The schema of `provision`. */
export function provisionSchema() {
  const step = z.strictObject(
    {
      mode: z.enum(provisionModes, 'must be system, user, after-boot or ready'),
      script: scriptText(),
    },
    mapError('must be a map with the keys mode and script'),
  )
  return z.array(step, 'must be a list of scripts')
}

/** The schema of `probes`; `mode` is Lima's and has one value. */
export function probesSchema() {
  const text = z.string('must be text').nullish()
  const probe = z
    .strictObject(
      {
        mode: z.enum(['readiness'], 'must be readiness').nullish(),
        description: text,
        script: scriptText(),
        hint: text,
      },
      mapError('must be a map with the key script'),
    )
    .transform(
      ({ script, description, hint }): Probe => ({
        script,
        description: description || '',
        hint: hint || '',
      }),
    )
  return z.array(probe, 'must be a list of scripts')
}

function scriptText() {
  return z.string('must be text').refine((text) => text.trim() !== '', 'must not be empty')
}

function mapError(message: string) {
  return { error: (issue: { code?: string }) => (issue.code === 'invalid_type' ? message : undefined) }
}
