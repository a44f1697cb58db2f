import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import type { Check } from '../host/check.ts'
import { isSocketAlive } from '../host/sockets.ts'
import { instancePaths } from '../instance/paths.ts'
import type { InstanceView } from '../instance/view.ts'

/** What is left of an instance that it should not have, for `doctor`. */
export function leftoversOf(home: string, view: InstanceView): Check[] {
  const { name } = view
  const found: Check[] = []
  const tell = (detail: string, fix: string) =>
    found.push({ name: `machine ${name}`, status: 'warning', detail, fix })
  if (view.status === 'Broken') tell(view.reason ?? 'broken', `tcolima delete ${name}`)
  if (!view.agent && view.status === 'Running') {
    tell('it runs, and no agent looks after it', `tcolima start ${name}`)
  }
  // Without an agent only a living QEMU makes it count as starting.
  if (!view.agent && view.status === 'Starting') {
    tell('QEMU runs, and nobody goes on with its start', `tcolima start ${name}`)
  }
  const old = `${instancePaths(home, name).rootDisk}.old`
  if (existsSync(old)) tell('a former system disk is kept', `rm '${old.replaceAll("'", String.raw`'\''`)}'`)
  return found
}

/** Sockets in the folder of short paths where nobody listens any more. */
export async function shortSocketLeftovers(folder: string): Promise<Check[]> {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return []
  }
  const files = names.filter((name) => name.endsWith('.sock')).map((name) => path.join(folder, name))
  const alive = await Promise.all(files.map((file) => isSocketAlive(file)))
  const dead = files.filter((_file, at) => alive[at] === false)
  if (dead.length === 0) return []
  const detail = `${dead.length} where nobody listens any more in ${folder}`
  return [{ name: 'sockets', status: 'warning', detail, fix: `rm ${dead.join(' ')}` }]
}
