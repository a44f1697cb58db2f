import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { TcolimaError } from '../host/errors.ts'
import { run } from '../host/run.ts'

// With these set the client speaks to them.
const ownEnv = { DOCKER_HOST: undefined, DOCKER_CONTEXT: undefined }

/** An image: by its digest, and the names it has. */
export interface DockerImage {
  id: string
  names: string[]
}

/** The images that a docker engine has under a name. Throws `host` without a docker client, `failed` when it does not answer. */
export async function dockerImages(socket: string, signal: AbortSignal): Promise<DockerImage[]> {
  const format = '{{.ID}} {{.Repository}}:{{.Tag}}'
  const lines = await docker(socket, ['image', 'ls', '--no-trunc', '--format', format], signal)
  const images = new Map<string, string[]>()
  for (const line of lines) {
    const [id = '', name = ''] = line.split(' ')
    if (!name.includes('<none>')) images.set(id, [...(images.get(id) ?? []), name])
  }
  return [...images].map(([id, names]) => ({ id, names }))
}

/** Copies images from one engine to another, by `save` and `load`. Throws `failed` with what either said. */
export async function copyImages(
  from: string,
  to: string,
  names: string[],
  signal: AbortSignal,
): Promise<void> {
  const start = (socket: string, args: string[]) => {
    const child = spawn('docker', ['-H', `unix://${socket}`, ...args], {
      stdio: 'pipe',
      env: { ...process.env, ...ownEnv },
      signal,
    })
    child.stdin.on('error', () => undefined)
    const said = text(child.stderr)
    const ended = once(child, 'close').then(async ([code]: unknown[]) => {
      if (code !== 0) throw new TcolimaError('failed', `docker ${args[0]}: ${(await said).trim()}`)
    })
    return { child, ended }
  }
  const save = start(from, ['save', ...names])
  const load = start(to, ['load', '--quiet'])
  save.child.stdin.end()
  load.child.stdout.resume()
  // The programs themselves say better what went wrong.
  const carried = pipeline(save.child.stdout, load.child.stdin).catch(() => undefined)
  const [saved, loaded] = await Promise.allSettled([save.ended, load.ended, carried])
  if (signal.aborted) throw new TcolimaError('cancelled', 'interrupted')
  // One that nobody reads from any more has nothing to say of it.
  for (const end of [loaded, saved]) if (end.status === 'rejected') throw TcolimaError.from(end.reason)
}

async function docker(socket: string, args: string[], signal: AbortSignal): Promise<string[]> {
  const { stdout } = await run('docker', ['-H', `unix://${socket}`, ...args], {
    env: ownEnv,
    signal,
    timeoutMs: 60_000,
  })
  return stdout.split('\n').filter((line) => line !== '')
}
