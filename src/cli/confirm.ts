import { createInterface } from 'node:readline'
import { TcolimaError } from '../host/errors.ts'

/** Where a question is asked; the terminal unless told. */
export interface Asker {
  input: NodeJS.ReadableStream
  output: NodeJS.WritableStream
}

/**
 * Asks a yes-or-no question on the terminal; anything but y or yes, and the end of input too, is a no. Throws
 * `cancelled` on Ctrl-C.
 */
export async function confirm(
  question: string,
  { input, output }: Asker = { input: process.stdin, output: process.stderr },
): Promise<boolean> {
  return await new Promise<boolean>((resolve, reject) => {
    const lines = createInterface({ input, output })
    lines.question(`${question} [y/N] `, (answer) => {
      resolve(/^y(es)?$/i.test(answer.trim()))
      lines.close()
    })
    lines.once('SIGINT', () => {
      reject(new TcolimaError('cancelled', 'interrupted'))
      lines.close()
    })
    // After an answer this changes nothing.
    lines.once('close', () => resolve(false))
  })
}
