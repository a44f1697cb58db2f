import type { Check } from '../../host/check.ts'
import { checkHost } from '../../host/doctor.ts'
import { shortSocketFolder } from '../../host/sockets.ts'
import { instancePaths } from '../../instance/paths.ts'
import { listInstances } from '../../instance/view.ts'
import type { CommandContext } from '../command.ts'
import { leftoversOf, shortSocketLeftovers } from '../leftovers.ts'
import { jsonLine, paint } from '../render/output.ts'

/** `tcolima doctor` */
export async function run(context: CommandContext): Promise<number> {
  const { home, host, output, profile } = context
  const instances = listInstances(home)
  const profiles = new Set([profile, ...instances.map(({ name }) => name)])
  const sockets = [...profiles].flatMap((name) => {
    const { folder } = instancePaths(home, name)
    // The longest of each instance.
    return [{ dir: folder, name: 'mount.10.sock' }]
  })
  const leftovers = [
    ...instances.flatMap((view) => leftoversOf(home, view)),
    ...(await shortSocketLeftovers(shortSocketFolder(host.uid))),
  ]
  const virtiofs = instances.some(({ state }) => state?.config.mountType === 'virtiofs')
  const checks = await checkHost({ host, home, sockets, leftovers, virtiofs })
  if (output.json) for (const check of checks) jsonLine(output, check)
  else for (const check of checks) print(context, check)
  return checks.some(({ status }) => status === 'error') ? 1 : 0
}

function print({ output }: CommandContext, { name, status, detail, fix }: Check): void {
  const marks = {
    ok: paint(output, 'green', '✓', 'out'),
    warning: paint(output, 'yellow', '!', 'out'),
    error: paint(output, 'red', '✗', 'out'),
  }
  output.out(`${marks[status]} ${name}: ${detail}\n`)
  if (fix !== undefined) output.out(`    ${fix}\n`)
}
