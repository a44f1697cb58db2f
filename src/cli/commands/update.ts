import { externalName } from '../../config/profile.ts'
import { TcolimaError } from '../../host/errors.ts'
import { runStep } from '../../host/progress.ts'
import { instancePaths } from '../../instance/paths.ts'
import { readRecord } from '../../instance/record.ts'
import { engineNamed } from '../../runtime/engines.ts'
import type { CommandContext } from '../command.ts'
import { guestText } from '../guest-run.ts'
import { interruptible } from '../interrupt.ts'
import { jsonLine } from '../render/output.ts'
import { ProgressView } from '../render/progress.ts'
import { requireRunning } from '../running.ts'

// The user's own answers to changed configuration files stay.
const apt = [
  ...['sudo', '-n', 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', '-y'],
  ...['-o', 'DPkg::Lock::Timeout=60', '-o', 'Dpkg::Options::=--force-confold'],
]

const hint = 'The guest needs the network: docs/networking.md says how it gets there.'

/** `tcolima update` */
export async function run(context: CommandContext): Promise<number> {
  requireRunning(context)
  const { home, profile, output } = context
  const record = readRecord(instancePaths(home, profile).record)
  if (!record) throw new TcolimaError('failed', `${profile} has no record of its engine`)
  const { packages } = engineNamed(record.runtime)
  if (packages.length === 0) {
    throw new TcolimaError('usage', `${externalName(profile)} has no engine that could be updated`)
  }
  const view = new ProgressView(output)
  try {
    return await interruptible(async (signal) => {
      const step = (name: string, command: string[]) =>
        runStep(view.report, name, () => guestText(context, command, { signal, hint }))
      const before = await versions(context, packages, signal)
      await step('package lists', [...apt, 'update'])
      await step('packages', [...apt, 'install', '--only-upgrade', '--no-install-recommends', ...packages])
      const after = await versions(context, packages, signal)
      view.close()
      done(context, before, after)
      return 0
    })
  } finally {
    view.close()
  }
}

function done({ output, profile }: CommandContext, before: Versions, after: Versions): void {
  const updated = [...after].filter(([name, version]) => before.get(name) !== version)
  const name = externalName(profile)
  if (output.json) {
    const time = new Date().toISOString()
    jsonLine(output, { type: 'done', time, name, updated: Object.fromEntries(updated) })
  } else if (updated.length === 0) output.err(`${name}: the engine is up to date\n`)
  else for (const [each, version] of updated) output.err(`${each}: ${before.get(each)} -> ${version}\n`)
}

type Versions = Map<string, string>

async function versions(context: CommandContext, packages: string[], signal: AbortSignal): Promise<Versions> {
  // A package that is not installed makes it fail, and the others are told all the same.
  const query = ['sh', '-c', 'dpkg-query -W "$@" 2>/dev/null || true', 'sh', ...packages]
  const lines = (await guestText(context, query, { signal })).split('\n')
  return new Map(
    lines.flatMap((line): [string, string][] => {
      const [name = '', version = ''] = line.split('\t')
      return version === '' ? [] : [[name, version]]
    }),
  )
}
