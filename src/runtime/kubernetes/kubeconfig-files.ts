import { existsSync, statSync } from 'node:fs'
import { open, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { delay } from '../../host/delay.ts'
import { errnoOf, messageOf, TcolimaError } from '../../host/errors.ts'
import { ensureDir, writeFileAtomic } from '../../host/files.ts'

// Milliseconds that another program may hold a file.
const lockWaitMs = 10_000
const lookMs = 50

/** The user's kubeconfig files: those of `KUBECONFIG`, each once, else `~/.kube/config`. They need not exist. Pure. */
export function kubeconfigFiles(env: NodeJS.ProcessEnv, home: string): string[] {
  const listed = (env.KUBECONFIG ?? '').split(path.delimiter).filter((each) => each !== '')
  return listed.length > 0
    ? [...new Set(listed.map((each) => path.resolve(each)))]
    : [path.join(home, '.kube', 'config')]
}

/** The text of a file, '' when there is none. Throws `host` when it cannot be read. */
export async function readKubeconfig(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return ''
    throw new TcolimaError('host', `cannot read ${file}: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * Changes a kubeconfig file: whole or not at all, through a link, with the mode it has (a new one: 0600), while kubectl keeps
 * away from it. With `backup` what was there before is kept beside it. Gives whether anything changed.
 */
export async function changeKubeconfig(
  file: string,
  change: (text: string) => string,
  backup = false,
): Promise<boolean> {
  // Most of the time nothing does: no lock then, and no folder.
  const seen = await readKubeconfig(file)
  if (change(seen) === seen) return false
  await ensureDir(path.dirname(file))
  return await whileLocked(file, async () => {
    const before = await readKubeconfig(file)
    const after = change(before)
    if (after === before) return false
    const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0o600
    if (backup && before !== '') await writeFileAtomic(`${file}.before-tcolima`, before, 0o600)
    await writeFileAtomic(file, after, mode & 0o777)
    return true
  })
}

/** The lock is that of kubectl and all others made with Kubernetes' client library: a file `.lock` beside it. */
async function whileLocked<T>(file: string, work: () => Promise<T>): Promise<T> {
  const lock = `${file}.lock`
  const until = performance.now() + lockWaitMs
  for (;;) {
    try {
      await (await open(lock, 'wx', 0o600)).close()
      break
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') {
        throw new TcolimaError('host', `cannot write beside ${file}: ${messageOf(error)}`, { cause: error })
      }
      if (performance.now() > until) {
        throw new TcolimaError('busy', `another program holds ${file}: ${lock} is there`, {
          hint: `When none does, remove it: rm ${lock}`,
        })
      }
      await delay(lookMs)
    }
  }
  try {
    return await work()
  } finally {
    await rm(lock, { force: true })
  }
}

/** Which of several files a new cluster goes to: see docs/kubernetes.md. `holds`: whether a file has it already. */
export function fileFor(files: readonly string[], home: string, holds: (file: string) => boolean): string {
  const usual = path.join(home, '.kube', 'config')
  const place =
    files.find(holds) ??
    files.find((file) => !existsSync(file)) ??
    files.find((file) => file === usual) ??
    files.at(-1)
  return place ?? usual
}
