import { readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { messageOf } from '../../host/errors.ts'
import { writeFileAtomic } from '../../host/files.ts'
import { changeKubeconfig, fileFor, kubeconfigFiles, readKubeconfig } from './kubeconfig-files.ts'
import {
  type ClusterAccess,
  contextsIn,
  withCluster,
  withCurrent,
  withoutCluster,
} from './kubeconfig-text.ts'

/** What the user's kubeconfig files are to do with an instance. */
export interface KubeconfigInput {
  /** The name of cluster, user and context. */
  name: string
  /** The instance's folder: which files were changed, and the context that was current before, are remembered there. */
  folder: string
  env: NodeJS.ProcessEnv
  /** The user's home folder. */
  home: string
}

/** How it went: a word for the step, and what the user should know. */
export interface KubeconfigResult {
  detail: string
  warning?: { text: string; hint: string }
}

/** What was done, for whoever takes it back, perhaps with another `KUBECONFIG`. */
interface Memory {
  files: string[]
  before: string
}

const memoryName = 'kubeconfig.json'

/**
 * Puts a cluster into the user's kubeconfig, and makes its context the current one when `activate`. A file that is wrong stays as it
 * is. Never throws: the cluster runs all the same.
 */
export async function showCluster(
  input: KubeconfigInput & { access: ClusterAccess; activate: boolean },
): Promise<KubeconfigResult> {
  const { name, folder, env, home, access, activate } = input
  try {
    const files = kubeconfigFiles(env, home)
    const texts = new Map(
      await Promise.all(files.map(async (file) => [file, await readKubeconfig(file)] as const)),
    )
    const contexts = new Map([...texts].map(([file, text]) => [file, contextsIn(text, file)]))
    const has = (file: string) => contexts.get(file)?.names.includes(name) === true
    const file = fileFor(files, home, has)
    await changeKubeconfig(file, (text) => withCluster(text, file, name, access), !has(file))
    const memory = memoryIn(folder)
    const changed = new Set([...(memory?.files ?? []), file])
    if (!activate) {
      await remember(folder, { files: [...changed], before: memory?.before ?? '' })
      return { detail: `${name} in ${file}, not current` }
    }
    // As kubectl reads them: the first file that names one decides.
    const deciding = files.find((each) => (contexts.get(each)?.current ?? '') !== '') ?? file
    const before = contexts.get(deciding)?.current ?? ''
    await remember(folder, {
      files: [...changed.add(deciding)],
      before: before === name ? (memory?.before ?? '') : before,
    })
    await changeKubeconfig(
      deciding,
      (text) => withCurrent(text, deciding, name),
      deciding !== file && !has(deciding),
    )
    return { detail: `${name} in ${file}` }
  } catch (error) {
    return {
      detail: 'not written',
      warning: {
        text: `the kubeconfig was not changed: ${messageOf(error)}`,
        hint: `To have the cluster in a file of its own: tcolima kubernetes kubeconfig > FILE`,
      },
    }
  }
}

/**
 * Makes the context current that was before, where the instance's still is; gives warnings for files that could not be changed.
 * Never throws.
 */
export async function leaveCluster(input: KubeconfigInput): Promise<string[]> {
  return await takeBack(input, (text, file, before) => leave(text, file, input.name, before))
}

/** As `leaveCluster`, and takes cluster, user and context away. */
export async function removeCluster(input: KubeconfigInput): Promise<string[]> {
  const warnings = await takeBack(input, (text, file, before) =>
    withoutCluster(leave(text, file, input.name, before), file, input.name),
  )
  if (warnings.length === 0) rmSync(path.join(input.folder, memoryName), { force: true })
  return warnings
}

async function takeBack(
  { name, folder, env, home }: KubeconfigInput,
  change: (text: string, file: string, before: string) => string,
): Promise<string[]> {
  const memory = memoryIn(folder)
  // Without a word about it there was none: nobody's files are read for nothing.
  if (!memory) return []
  const warnings: string[] = []
  const listed = kubeconfigFiles(env, home)
  const there = new Set<string>()
  for (const file of new Set([...listed, ...memory.files])) {
    const text = await readKubeconfig(file).catch(() => '')
    try {
      for (const context of contextsIn(text, file).names) there.add(context)
    } catch {
      // Told below, where it is to be changed.
    }
  }
  const before = there.has(memory.before) && memory.before !== name ? memory.before : ''
  await passOn(name, folder, before).catch(() => undefined)
  for (const file of memory.files) {
    try {
      await changeKubeconfig(file, (text) => change(text, file, before))
    } catch (error) {
      warnings.push(`${name} stays in ${file}: ${messageOf(error)}`)
    }
  }
  return warnings
}

function leave(text: string, file: string, name: string, before: string): string {
  return contextsIn(text, file).current === name ? withCurrent(text, file, before) : text
}

/** Of instances that stop in another order than they started, none may go back to one that is stopped. */
async function passOn(name: string, folder: string, before: string): Promise<void> {
  const home = path.dirname(folder)
  for (const each of readdirSync(home)) {
    const sibling = path.join(home, each)
    const memory = sibling === folder ? undefined : memoryIn(sibling)
    if (memory?.before === name) await remember(sibling, { ...memory, before })
  }
}

async function remember(folder: string, memory: Memory): Promise<void> {
  await writeFileAtomic(path.join(folder, memoryName), `${JSON.stringify(memory)}\n`)
}

function memoryIn(folder: string): Memory | undefined {
  try {
    const { files, before } = JSON.parse(
      readFileSync(path.join(folder, memoryName), 'utf8'),
    ) as Partial<Memory>
    return Array.isArray(files) && typeof before === 'string' ? { files, before } : undefined
  } catch {
    return undefined
  }
}
