import { existsSync } from 'node:fs'
import { readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { TcolimaError } from '../host/errors.ts'
import { ensureDir, writeFileAtomic } from '../host/files.ts'
import { acquireLock } from '../host/lock.ts'
import type { Artifact } from './catalog.ts'
import { digestIn } from './checksums.ts'
import { bytesOf, download, sha256Of, sha256OfFile } from './download.ts'
import type { Source } from './source.ts'

/** Where artefacts are kept and come from. */
export interface StoreOptions {
  /** `_downloads` of the tcolima home. It has the paths of a mirror, and is one. */
  folder: string
  source: Source
  env: NodeJS.ProcessEnv
  signal?: AbortSignal | undefined
  /** Called with what it does just now. */
  note: (text: string) => void
}

/** An artefact that is there, whole and as its digest says. */
export interface Stored {
  file: string
  sha256: string
  artifact: Artifact
}

// Milliseconds that another process may take for its download.
const waitMs = 60 * 60_000

/**
 * Gives an artefact out of the store, or fetches it: the first of its forms that is there, or that the source has. What lies
 * in the store is looked at anew each time, and a download that was interrupted goes on where it was.
 * Throws `failed` when the source has it in no form, or has another content than the digest says; both digests are named.
 */
export async function ensureArtifact(forms: readonly Artifact[], options: StoreOptions): Promise<Stored> {
  const stored = await findArtifact(forms, options)
  if (stored) return stored
  const [first] = forms
  throw new TcolimaError('failed', `${options.source.name} has no ${first?.path}`, {
    hint: `A mirror has the paths of GitHub below it. Without one, check that there is a release ${first?.version}.`,
  })
}

/** As `ensureArtifact`, but gives undefined where the source has it in no form. */
export async function findArtifact(
  forms: readonly Artifact[],
  options: StoreOptions,
): Promise<Stored | undefined> {
  const kept = forms.find(({ path: name }) => existsSync(path.join(options.folder, name)))
  for (const artifact of kept ? [kept, ...forms.filter((form) => form !== kept)] : forms) {
    const stored = await whileLocked(artifact, options, () => ensured(artifact, options))
    if (stored) return stored
  }
  return undefined
}

async function ensured(artifact: Artifact, options: StoreOptions): Promise<Stored | undefined> {
  const { folder, note } = options
  const file = path.join(folder, artifact.path)
  const label = `${artifact.name} ${artifact.version}`
  if (existsSync(file)) {
    note(`${label}: looking whether it is whole`)
    const sha256 = await digestOf(artifact, options)
    if (sha256 !== undefined && (await sha256OfFile(file)) === sha256) return { file, sha256, artifact }
    // Damaged since, or of a digest that this version of tcolima knows better.
    await rm(file, { force: true })
  }
  // Without looking at the file first: one that is not there needs no digest.
  const sha256 = await digestOf(artifact, options)
  if (sha256 === undefined) return undefined
  const part = `${file}.part`
  const got = await fetchPart(artifact, part, sha256, {
    ...options,
    note: (text) => note(`${label}: ${text}`),
  })
  if (got === undefined) return undefined
  if (got !== sha256) throw wrongDigest(artifact.path, options.source.name, got, sha256)
  await rename(part, file)
  return { file, sha256, artifact }
}

/** Downloads into the part file; gives the digest of what came, undefined when there is nothing to get. */
async function fetchPart(
  artifact: Artifact,
  part: string,
  sha256: string,
  options: StoreOptions,
): Promise<string | undefined> {
  await ensureDir(path.dirname(part), 0o755)
  const first = await download(artifact.path, part, options)
  if (first === undefined || first.sha256 === sha256) return first?.sha256
  await rm(part, { force: true })
  // The earlier part was of something else: all of it anew, once.
  if (!first.resumed) return first.sha256
  const whole = await download(artifact.path, part, options)
  if (whole?.sha256 !== sha256) await rm(part, { force: true })
  return whole?.sha256
}

/**
 * The digest an artefact must have: the one known here, else what the checksum file of its release said the first time. That
 * file is kept, and asked ever after. Undefined when it does not name the artefact, or the artefact is not there at all.
 */
async function digestOf(artifact: Artifact, options: StoreOptions): Promise<string | undefined> {
  if (artifact.sha256 !== undefined) return artifact.sha256
  const { folder, source } = options
  const { path: name, sha256: known } = artifact.checksums
  const file = path.join(folder, name)
  if (existsSync(file)) {
    const text = await readFile(file)
    if (known === undefined || sha256Of(text) === known) return digestIn(text.toString(), artifact.path)
  }
  const text = await bytesOf(name, options)
  if (text === undefined) {
    if (!(await isThere(artifact.path, options))) return undefined
    throw new TcolimaError('failed', `${source.name} has no ${name}`, {
      hint: `The digests of ${artifact.version} are not known to tcolima: the mirror needs the checksum file of the release too.`,
    })
  }
  const got = sha256Of(text)
  if (known !== undefined && got !== known) throw wrongDigest(name, source.name, got, known)
  const digest = digestIn(text.toString(), artifact.path)
  if (digest !== undefined) {
    await ensureDir(path.dirname(file), 0o755)
    await writeFileAtomic(file, text, 0o644)
  }
  return digest
}

async function isThere(name: string, { source, env, signal }: StoreOptions): Promise<boolean> {
  const opened = await source.open(name, { from: 0, env, signal })
  opened?.stream.destroy()
  return opened !== undefined
}

async function whileLocked<T>(
  artifact: Artifact,
  { folder, signal }: StoreOptions,
  work: () => Promise<T>,
): Promise<T> {
  await ensureDir(folder, 0o755)
  const name = artifact.path.replaceAll('/', '_')
  const lock = await acquireLock(path.join(folder, `.${name}.lock`), { purpose: 'download', waitMs, signal })
  try {
    return await work()
  } finally {
    lock.release()
  }
}

function wrongDigest(name: string, source: string, got: string, wanted: string): TcolimaError {
  return new TcolimaError(
    'failed',
    `${name} from ${source} is not what it should be: its sha256 is ${got}, and ${wanted} is wanted`,
    { hint: 'Nothing of it was kept. Tell whoever runs the mirror or the network between.' },
  )
}
