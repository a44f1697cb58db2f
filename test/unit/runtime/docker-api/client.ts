import { TcolimaError } from '../../../../src/host/errors.ts'
import type { Run, RunOptions } from '../../../../src/host/run.ts'

/** A docker client with contexts of its own. */
export function client(over: { contexts?: Record<string, string>; active?: string; fails?: string } = {}) {
  const contexts: Record<string, string> = { default: '', ...over.contexts }
  const docker = { contexts, active: over.active ?? 'default', ran: [] as string[] }
  const answer = (args: string[], options: RunOptions): string => {
    const [verb = '', ...rest] = args.slice(1)
    const name = rest.at(-1) ?? ''
    docker.ran.push(`${verb} ${name}`.trim())
    if (verb === over.fails) throw new TcolimaError('failed', `docker context ${verb} failed`)
    switch (verb) {
      case 'ls':
        return Object.keys(contexts).join('\n')
      case 'inspect':
        // The variables win over the file, unless they are taken away.
        return 'DOCKER_CONTEXT' in (options.env ?? {}) ? docker.active : 'from the environment'
      case 'create':
        if (name in contexts) throw new TcolimaError('failed', `context "${name}" already exists`)
        contexts[name] = rest.find((word) => word.startsWith('host=')) ?? ''
        return name
      case 'update':
        if (!(name in contexts)) throw new TcolimaError('failed', `context "${name}" does not exist`)
        contexts[name] = rest.find((word) => word.startsWith('host=')) ?? ''
        return name
      case 'use':
        if (!(name in contexts)) throw new TcolimaError('failed', `context "${name}" does not exist`)
        docker.active = name
        return name
      case 'rm':
        delete contexts[name]
        return name
      default:
        throw new Error(`docker ${args.join(' ')}`)
    }
  }
  const run: Run = async (_, args, options = {}) => ({
    stdout: answer(args, options),
    stderr: '',
    exitCode: 0,
  })
  return { docker, run }
}
