import { exitCodeOf, type TcolimaError } from '../../host/errors.ts'
import { printable } from '../../host/text.ts'

/** Where a command writes, and for whom. */
export interface Output {
  /** What was asked for. */
  out: (text: string) => void
  /** Everything else. */
  err: (text: string) => void
  /** Programs read: JSON objects, one a line, and nothing else on standard output. */
  json: boolean
  /** A person looks: lines may be drawn anew. */
  live: boolean
  /** Whether colours are wanted on standard error, and on standard output. */
  colour: { err: boolean; out: boolean }
  /** Tell more than the user needs when all goes well. */
  verbose: boolean
}

/** The flags of every command that shape its output. */
export interface OutputFlags {
  json: boolean
  noColour: boolean
  verbose: boolean
}

/** The output of this process. */
export function processOutput(flags: OutputFlags, env: NodeJS.ProcessEnv): Output {
  const { json, noColour, verbose } = flags
  // https://no-color.org: "when present and not an empty string".
  const coloured = !noColour && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    json,
    // Asked only when needed: the streams take time to set up.
    get live() {
      return process.stderr.isTTY && !json
    },
    colour: {
      get err() {
        return coloured && process.stderr.isTTY
      },
      get out() {
        return coloured && process.stdout.isTTY
      },
    },
    verbose,
  }
}

/** Text in a colour where there are colours (ECMA-48, SGR). */
export function paint(
  output: Output,
  colour: 'red' | 'green' | 'yellow' | 'dim',
  text: string,
  stream: 'err' | 'out' = 'err',
): string {
  const codes = { red: 31, green: 32, yellow: 33, dim: 2 }
  return output.colour[stream] ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text
}

/** One JSON object as a line of standard output. */
export function jsonLine(output: Output, value: unknown): void {
  output.out(`${JSON.stringify(value)}\n`)
}

/** Tells of an error, the same way for every command; gives the exit code. */
export function renderError(output: Output, error: TcolimaError): number {
  if (output.json) {
    jsonLine(output, { type: 'error', time: new Date().toISOString(), ...error.toRecord() })
    return exitCodeOf(error.code)
  }
  const step = error.step === undefined ? '' : `${error.step}: `
  output.err(`${paint(output, 'red', 'tcolima:')} ${step}${error.message}\n`)
  if (error.log && error.log.lines.length > 0) {
    output.err(`  the last lines of ${error.log.path}:\n`)
    for (const line of error.log.lines) output.err(paint(output, 'dim', `    ${printable(line)}`) + '\n')
  }
  if (error.hint !== undefined) output.err(`${paint(output, 'yellow', 'hint:')} ${error.hint}\n`)
  if (output.verbose) output.err(`${paint(output, 'dim', traceOf(error))}\n`)
  return exitCodeOf(error.code)
}

/** Where an error comes from, and what lies behind it. */
function traceOf(error: Error): string {
  const own = error.stack ?? error.message
  return error.cause instanceof Error ? `${own}\ncaused by ${traceOf(error.cause)}` : own
}

/** A warning, in one line and its hint. */
export function renderWarning(output: Output, text: string, hint?: string): void {
  if (output.json) jsonLine(output, { type: 'warning', time: new Date().toISOString(), text, hint })
  else {
    output.err(`${paint(output, 'yellow', 'warning:')} ${text}\n`)
    if (hint !== undefined) output.err(`  ${hint}\n`)
  }
}
