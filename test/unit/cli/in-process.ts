import { contextOf } from '../../../src/cli/invocation.ts'
import { parse } from '../../../src/cli/parser.ts'
import { renderError } from '../../../src/cli/render/output.ts'
import { TcolimaError } from '../../../src/host/errors.ts'
import { captured } from './capture.ts'

/**
 * Runs a command line in this process, for a host that is the same everywhere; gives what a terminal would show. A process
 * for each would take a hundred times as long.
 */
export async function inProcess(words: string[], env: NodeJS.ProcessEnv): Promise<string> {
  const { code, out, err } = await runInProcess(words, env)
  return [
    `$ tcolima ${words.join(' ')}\n`,
    out,
    ...(err === '' ? [] : [`--- standard error\n${err}`]),
    ...(code === 0 ? [] : [`--- exit code ${code}\n`]),
  ].join('')
}

/** The same; gives its parts. */
export async function runInProcess(
  words: string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number; out: string; err: string }> {
  const output = captured({ json: words.includes('--json') })
  let code: number
  try {
    const invocation = await parse(words)
    if (!invocation) throw new Error('it only printed help')
    const context = contextOf(invocation, env)
    const host = {
      ...context.host,
      ...({ platform: 'linux', arch: 'x86_64' } as const),
      ...{ cpus: 4, totalMemory: 8 * 2 ** 30, user: 'ann' },
    }
    const { run } = await invocation.command.load()
    code = await run({ ...context, host, output })
  } catch (error) {
    code = renderError(output, TcolimaError.from(error))
  }
  return { code, out: output.outText(), err: output.errText() }
}
