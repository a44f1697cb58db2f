import type { Output } from '../../../src/cli/render/output.ts'

/** An output that keeps what is written. */
export function captured(
  options: Partial<Output> = {},
): Output & { outText: () => string; errText: () => string } {
  let outText = ''
  let errText = ''
  return {
    out: (text) => void (outText += text),
    err: (text) => void (errText += text),
    json: false,
    live: false,
    colour: { err: false, out: false },
    verbose: false,
    ...options,
    outText: () => outText,
    errText: () => errText,
  }
}
