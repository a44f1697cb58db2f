import { existsSync } from 'node:fs'
import type { Check } from '../../host/check.ts'
import { checkHost } from '../../host/doctor.ts'
import { instancePaths } from '../../instance/paths.ts'
import { type InstanceView, listInstances } from '../../instance/view.ts'
import type { CommandContext } from '../command.ts'
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
  const leftovers = instances.flatMap((view) => leftoversOf(home, view))
  const checks = await checkHost({ host, home, sockets, leftovers })
  if (output.json) for (const check of checks) jsonLine(output, check)
  else for (const check of checks) print(context, check)
  return checks.some(({ status }) => status === 'error') ? 1 : 0
}

function print({ output }: CommandContext, { name, status, detail, fix }: Check): void {
  const marks = {
    ok: paint(output, 'green', '✓'),
    warning: paint(output, 'yellow', '!'),
    error: paint(output, 'red', '✗'),
  }
  output.out(`${marks[status]} ${name}: ${detail}\n`)
  if (fix !== undefined) output.out(`    ${fix}\n`)
}

function leftoversOf(home: string, view: InstanceView): Check[] {
  const { name } = view
  const found: Check[] = []
  const tell = (detail: string, fix: string) =>
    found.push({ name: `machine ${name}`, status: 'warning', detail, fix })
  if (view.status === 'Broken') tell(view.reason ?? 'broken', `tcolima delete ${name}`)
  if (view.status === 'Running' && !view.agent) {
    tell('it runs, and no agent looks after it', `tcolima start ${name}`)
  }
  const old = `${instancePaths(home, name).rootDisk}.old`
  if (existsSync(old)) tell('a former system disk is kept', `rm '${old}'`)
  return found
}
