import { atLeast, type Check, ok } from './check.ts'
import { messageOf, TcolimaError } from './errors.ts'
import type { Host } from './platform.ts'
import type { HostSystem } from './system.ts'

/** Whether QEMU runs and is new enough. The program has to be there. */
export async function checkQemu(program: string, system: HostSystem, signal?: AbortSignal): Promise<Check> {
  let output: string
  try {
    output = (
      await system.run(system.which(program) ?? program, ['--version'], { signal, timeoutMs: 30_000 })
    ).stdout
  } catch (error) {
    if (error instanceof TcolimaError && error.code === 'cancelled') throw error
    return { name: program, status: 'error', detail: messageOf(error), fix: 'install QEMU again' }
  }
  const version = /version (?<number>\d+(?:\.\d+)+)/.exec(output)?.groups?.number
  if (version === undefined) {
    const detail = `does not tell its version: ${output.split('\n')[0] ?? ''}`
    return { name: program, status: 'warning', detail, fix: 'check that it is QEMU 7.2 or newer' }
  }
  if (atLeast(version, [7, 2])) return ok(program, version)
  return { name: program, status: 'error', detail: `${version} is too old`, fix: 'install QEMU 7.2 or newer' }
}

/** Takes what was found of the docker program; adds what in the environment keeps it from the instance. */
export function checkDocker(host: Host, program: Check): Check[] {
  return [program, ...['DOCKER_HOST', 'DOCKER_CONTEXT'].flatMap((variable) => checkVariable(variable, host))]
}

const plugins = [
  { name: 'docker buildx', file: 'docker-buildx', packages: 'docker-buildx-plugin, docker-buildx' },
  {
    name: 'docker compose',
    file: 'docker-compose',
    packages: 'docker-compose-plugin, docker-compose-v2, docker-compose',
  },
]

/**
 * Whether the docker program has its plugins to build and to compose. They are looked for where docker does (its reference,
 * "CLI plugins"), and where Homebrew puts them.
 */
export function checkDockerPlugins(host: Host, exists: (file: string) => boolean): Check[] {
  const folders = [
    `${host.env.DOCKER_CONFIG || `${host.home}/.docker`}/cli-plugins`,
    ...['/usr/local/lib', '/usr/local/libexec', '/usr/lib', '/usr/libexec', '/opt/homebrew/lib'].map(
      (folder) => `${folder}/docker/cli-plugins`,
    ),
  ]
  return plugins.map(({ name, file, packages }) => {
    const place = folders.map((folder) => `${folder}/${file}`).find(exists)
    if (place !== undefined) return ok(name, place)
    const fix =
      host.platform === 'darwin' ? `brew install ${file}` : `install its package (one of ${packages})`
    return { name, status: 'warning', detail: 'not found', fix }
  })
}

function checkVariable(variable: string, host: Host): Check[] {
  const value = host.env[variable]
  if (value === undefined || value === '') return []
  return [
    {
      name: variable,
      status: 'warning',
      detail: `set to ${value}: docker goes there, whatever context tcolima selects`,
      fix: `unset ${variable} (and take it out of the shell's start files)`,
    },
  ]
}
