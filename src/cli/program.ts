import { TcolimaError } from '../host/errors.ts'
import { finishInterrupted } from './finish-interrupted.ts'
import { contextOf, isJson, plainInvocation } from './invocation.ts'
import { processOutput, renderError } from './render/output.ts'

/** Runs a command line (without the program's name); gives the exit code. Never throws. */
export async function main(words: string[]): Promise<number> {
  // A reader that went away (`| head`) is no error of ours; nor is a terminal that was closed.
  process.stdout.on('error', () => process.exit(141))
  process.stderr.on('error', () => undefined)
  if (words[0] === '__complete') {
    const { answerCompletion } = await import('./answer-completion.ts')
    process.stdout.write(answerCompletion(words.slice(1), process.env))
    return 0
  }
  const own = words.includes('--') ? words.slice(0, words.indexOf('--')) : words
  let output = processOutput(
    {
      json: own.some(isJson),
      noColour: own.includes('--no-color'),
      verbose: own.includes('--verbose') || own.includes('--very-verbose'),
    },
    process.env,
  )
  try {
    const invocation = plainInvocation(words) ?? (await (await import('./parser.ts')).parse(words))
    if (!invocation) return 0
    const context = contextOf(invocation, process.env)
    ;({ output } = context)
    // A delete goes on by itself.
    if (invocation.command.name !== 'delete') await finishInterrupted(context)
    const { run } = await invocation.command.load()
    return await run(context)
  } catch (error) {
    return renderError(output, TcolimaError.from(error))
  }
}
