import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseConfig } from '../config/load.ts'
import { configTemplate } from '../config/template.ts'
import { messageOf, TcolimaError } from '../host/errors.ts'
import { ensureDir, writeFileAtomic } from '../host/files.ts'
import type { InstancePaths } from '../instance/paths.ts'
import type { CommandContext } from './command.ts'
import { confirm } from './confirm.ts'
import { workingFolder } from './flags.ts'

/**
 * Lets the user edit the settings in a copy, which takes the file's place when it is right. Throws `cancelled` for an
 * emptied file, `config` for a wrong one that is not edited again, `host` without an editor.
 */
export async function editConfig(context: CommandContext, paths: InstancePaths): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tcolima-edit-'))
  const copy = path.join(folder, 'tcolima.yaml')
  try {
    writeFileSync(copy, existsSync(paths.config) ? readFileSync(paths.config) : configTemplate(), {
      mode: 0o600,
    })
    for (;;) {
      openEditor(copy, context.host.env)
      const text = readFileSync(copy, 'utf8')
      if (text.trim() === '') throw new TcolimaError('cancelled', 'the file was emptied: nothing was changed')
      try {
        const { home, arch, cpus, totalMemory } = context.host
        parseConfig(text, copy, {}, { home, cwd: workingFolder(), arch, cpus, totalMemory })
      } catch (error) {
        context.output.err(`${messageOf(error)}\n`)
        if (process.stdin.isTTY && (await confirm('Edit again?'))) continue
        throw error
      }
      await ensureDir(paths.folder)
      await writeFileAtomic(paths.config, text)
      return
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function openEditor(file: string, env: NodeJS.ProcessEnv): void {
  const editor = env.VISUAL || env.EDITOR || 'vi'
  // As other programs do: the variable may hold arguments, so a shell takes it apart.
  const { error, status } = spawnSync('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' })
  if (error || status !== 0) {
    throw new TcolimaError('host', `the editor ${editor} failed`, { hint: 'Set VISUAL or EDITOR to yours.' })
  }
}
