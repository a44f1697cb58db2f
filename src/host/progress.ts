import { TcolimaError } from './errors.ts'

/** What a long command tells while it works; also the form of an event on the agent's socket and in `--json` output. */
export type ProgressEvent =
  | { type: 'step'; step: string; state: 'started' }
  | { type: 'step'; step: string; state: 'done' | 'failed'; ms: number; detail?: string | undefined }
  /** What the running step does just now. */
  | { type: 'note'; step: string; text: string }
  | { type: 'warning'; text: string; hint?: string | undefined }

export type Report = (event: ProgressEvent) => void

/** What a step's work is given: ways to tell what it does now, and to leave a word beside its result. */
export interface StepTools {
  note: (text: string) => void
  detail: (text: string) => void
}

/**
 * Runs one step of a longer command: reports its start, its end and the milliseconds between. Gives what `work` gives;
 * throws what it throws, as a TcolimaError that names the step.
 */
export async function runStep<T>(
  report: Report,
  step: string,
  work: (tools: StepTools) => Promise<T> | T,
): Promise<T> {
  const began = performance.now()
  let detail: string | undefined
  report({ type: 'step', step, state: 'started' })
  try {
    const result = await work({
      note: (text) => report({ type: 'note', step, text }),
      detail: (text) => {
        detail = text
      },
    })
    report({ type: 'step', step, state: 'done', ms: Math.round(performance.now() - began), detail })
    return result
  } catch (thrown) {
    const error = TcolimaError.from(thrown)
    error.step ??= step
    report({ type: 'step', step, state: 'failed', ms: Math.round(performance.now() - began) })
    throw error
  }
}
