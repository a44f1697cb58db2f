import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseLayers } from '../config/load.ts'
import { configTemplate } from '../config/template.ts'
import { messageOf, TcolimaError } from '../host/errors.ts'
import { ensureDir, writeFileAtomic } from '../host/files.ts'
import { instancePaths } from '../instance/paths.ts'
import { refuseChanges } from '../instance/refuse-changes.ts'
import { publishSchema } from '../instance/schema-file.ts'
import { type CommandContext, textOf } from './command.ts'
import { hostFacts } from './flags.ts'
import { templatesFor } from './templates.ts'

// Stands before each line of ours in the editor; none of the user's begins so.
const mark = '#! '

/** A file with settings that is edited. */
export interface Edited {
  file: string
  /** What is shown where there is no file yet. */
  newText: string
  /** Throws what is wrong with a text. */
  check: (text: string) => void
}

/**
 * Lets the user edit a profile's settings. Throws like `editFile`, and `config` for changes that its machine cannot make:
 * the file is then as it was.
 */
export async function editConfig(context: CommandContext): Promise<void> {
  const paths = instancePaths(context.home, context.profile)
  const { usual, named } = templatesFor(context)
  await publishSchema(context.home)
  await editFile(context, {
    file: paths.config,
    newText: (named ?? usual)?.text ?? configTemplate(),
    check: (text) => {
      const layers = [usual, { text, file: paths.config }]
      refuseChanges(paths, parseLayers(layers, {}, hostFacts(context.host)).config)
    },
  })
}

/**
 * Lets the user edit a copy of a file, which takes its place once it is right. What is wrong is shown above the text and
 * the editor opens again, until it is right or the text comes back as it was. Throws `cancelled` for an emptied file,
 * what `check` threw for a wrong one that is not edited any more, `host` without an editor.
 */
export async function editFile(context: CommandContext, { file, newText, check }: Edited): Promise<void> {
  // Not in the system's folder: editors look for the schema from where the copy lies.
  await ensureDir(context.home)
  const folder = mkdtempSync(path.join(context.home, '_edit-'))
  const copy = path.join(folder, path.basename(file))
  try {
    let text = existsSync(file) ? readFileSync(file, 'utf8') : newText
    let failure: unknown
    for (;;) {
      writeFileSync(copy, header(failure) + text, { mode: 0o600 })
      openEditor(
        copy,
        textOf(context, 'editor') || context.host.env.VISUAL || context.host.env.EDITOR || 'vi',
      )
      const edited = withoutHeader(readFileSync(copy, 'utf8'))
      if (edited.trim() === '')
        throw new TcolimaError('cancelled', 'the file was emptied: nothing was changed')
      if (failure !== undefined && edited === text) throw failure
      text = edited
      failure = problemOf(text, check)
      if (failure === undefined) break
    }
    await ensureDir(path.dirname(file))
    await writeFileAtomic(file, text)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What is wrong with a text, with the lines as the editor will show them. */
function problemOf(text: string, check: (text: string) => void): unknown {
  const attempt = (tried: string): unknown => {
    try {
      check(tried)
      return undefined
    } catch (error) {
      return error
    }
  }
  const failure = attempt(text)
  if (failure === undefined) return undefined
  const lines = header(failure).split('\n').length - 1
  return attempt('\n'.repeat(lines) + text) ?? failure
}

function header(failure: unknown): string {
  if (failure === undefined) return ''
  const lines = [
    ...messageOf(failure).split('\n'),
    'Correct it, or empty the file to give up. These lines go by themselves.',
  ]
  return lines.map((line) => `${mark}${line}\n`).join('')
}

function withoutHeader(text: string): string {
  return text
    .split(/(?<=\n)/)
    .filter((line) => !line.startsWith(mark))
    .join('')
}

function openEditor(file: string, editor: string): void {
  // As other programs do: the variable may hold arguments, so a shell takes it apart.
  const { error, status } = spawnSync('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' })
  if (error || status !== 0) {
    throw new TcolimaError('host', `the editor ${editor} failed`, { hint: 'Set VISUAL or EDITOR to yours.' })
  }
}
