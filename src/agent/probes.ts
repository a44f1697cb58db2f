import type { ClientChannel } from 'ssh2'
import type { Probe } from '../config/scripts.ts'
import { shellQuote } from '../guest/quote.ts'
import { delay } from '../host/delay.ts'
import { TcolimaError } from '../host/errors.ts'
import { type Report, runStep } from '../host/progress.ts'
import { printable } from '../host/text.ts'

// Milliseconds: for all attempts of a probe, between two of them.
const limitMs = 5 * 60_000
const pauseMs = 1000
// Characters of what a probe said that are kept.
const mostSaid = 2000

/** Starts a command in the guest, as the user. */
export type GuestExec = (command: string) => Promise<ClientChannel>

/**
 * Runs each probe in the guest, again and again, until it succeeds. Throws `failed` with the name of the one that did not
 * within its time, what it said last, and the user's own hint.
 */
export async function waitForProbes(
  probes: readonly Probe[],
  exec: GuestExec,
  report: Report,
  signal: AbortSignal,
  limit = limitMs,
): Promise<void> {
  if (probes.length === 0) return
  await runStep(report, 'probes', async ({ note }) => {
    for (const [index, probe] of probes.entries()) {
      const name = probe.description === '' ? `probes[${index}]` : `probes[${index}] (${probe.description})`
      note(name)
      await succeeded(name, probe, exec, signal, limit)
    }
  })
}

async function succeeded(
  name: string,
  { script, hint }: Probe,
  exec: GuestExec,
  signal: AbortSignal,
  limit: number,
): Promise<void> {
  const until = performance.now() + limit
  for (;;) {
    const result = await attempt(exec, script, Math.max(until - performance.now(), pauseMs), signal)
    signal.throwIfAborted()
    if (result.status === 0) return
    if (performance.now() + pauseMs > until) {
      const said = result.said === '' ? '' : `: ${result.said}`
      const ending = result.status === undefined ? 'did not end' : `ended with status ${result.status}`
      throw new TcolimaError('failed', `${name} ${ending} within ${Math.round(limit / 1000)} s${said}`, {
        hint: hint === '' ? undefined : hint,
      })
    }
    await delay(pauseMs, signal)
  }
}

/** Runs a script once; without a status it took too long. */
async function attempt(
  exec: GuestExec,
  script: string,
  ms: number,
  signal: AbortSignal,
): Promise<{ status: number | undefined; said: string }> {
  const channel = await exec(command(script))
  return await new Promise((resolve) => {
    let said = ''
    let status: number | undefined
    const hear = (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-mostSaid)
    }
    const end = () => channel.close()
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
    channel.on('data', hear)
    channel.stderr.on('data', hear)
    channel.on('exit', (code: number | null) => {
      status = code ?? 128
    })
    channel.on('error', end)
    channel.on('close', () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve({ status, said: printable(said.trim()) })
    })
    if (signal.aborted) end()
    else channel.end()
  })
}

/** The script as a file for its interpreter: the first line names it, else it is the shell. */
function command(script: string): string {
  const whole = script.startsWith('#!') ? script : `#!/bin/sh\n${script}`
  return `f=$(mktemp) && printf %s ${shellQuote(whole)} >"$f" && chmod 0700 "$f" && { "$f"; s=$?; rm -f "$f"; exit $s; }`
}
