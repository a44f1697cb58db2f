import type { ProgressEvent, Report } from '../../host/progress.ts'
import { jsonLine, type Output, paint, renderWarning } from './output.ts'

// Milliseconds between two drawings of a running step, and until a step without a terminal is said to be running.
const drawMs = 100
const silenceMs = 5000
// How often the latter is looked at.
const lookMs = 500
const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

interface Step {
  name: string
  began: number
  note: string
  said: boolean
}

/**
 * Shows the steps of a long command: on a terminal the running one with its time, redrawn in place, and a line for each
 * that ended; elsewhere plain lines, and a word for a step that takes long; with `--json` every event as it is.
 */
export class ProgressView {
  readonly #output: Output
  readonly #steps: Step[] = []
  #timer: NodeJS.Timeout | undefined
  #drawn = false
  #frame = 0

  constructor(output: Output) {
    this.#output = output
  }

  readonly report: Report = (event) => {
    if (this.#output.json) {
      jsonLine(this.#output, { time: new Date().toISOString(), ...event })
      return
    }
    this.#erase()
    this.#take(event)
    if (this.#steps.length > 0)
      this.#timer ??= setInterval(() => this.#tick(), this.#output.live ? drawMs : lookMs).unref()
    this.#draw()
  }

  /** Ends the drawing until the next event; what was left running is left without a line. */
  close(): void {
    this.#erase()
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #take(event: ProgressEvent): void {
    if (event.type === 'warning') {
      renderWarning(this.#output, event.text, event.hint)
      return
    }
    const at = this.#steps.findIndex((step) => step.name === event.step)
    if (event.type === 'note') {
      const step = this.#steps[at]
      if (step) step.note = event.text
      if (this.#output.verbose && !this.#output.live) this.#output.err(`  ${event.step}: ${event.text}\n`)
      return
    }
    if (event.state === 'started') {
      this.#steps.push({ name: event.step, began: performance.now(), note: '', said: false })
      return
    }
    if (at >= 0) this.#steps.splice(at, 1)
    const mark = event.state === 'done' ? paint(this.#output, 'green', '✓') : paint(this.#output, 'red', '✗')
    this.#output.err(`${mark} ${stepLine(event.step, event.ms, event.detail)}\n`)
  }

  #tick(): void {
    if (this.#output.live) {
      this.#erase()
      this.#frame++
      this.#draw()
      return
    }
    for (const step of this.#steps) {
      if (step.said || performance.now() - step.began < silenceMs) continue
      step.said = true
      this.#output.err(`… ${step.name}${step.note === '' ? '' : `: ${step.note}`}\n`)
    }
  }

  #draw(): void {
    const step = this.#steps.at(-1)
    if (!this.#output.live || step === undefined) return
    const frame = frames[this.#frame % frames.length] ?? ''
    const line = `${frame} ${stepLine(step.name, performance.now() - step.began, step.note)}`
    // One line only: a wrapped one could not be erased.
    this.#output.err(line.slice(0, (process.stderr.columns ?? 80) - 1))
    this.#drawn = true
  }

  #erase(): void {
    if (!this.#drawn) return
    this.#output.err('\r\u001b[K')
    this.#drawn = false
  }
}

/** Name, time and detail of a step in columns. */
export function stepLine(name: string, ms: number, detail?: string): string {
  return `${name.padEnd(15)} ${`${(ms / 1000).toFixed(1)} s`.padStart(7)}${detail ? `  ${detail}` : ''}`
}
