import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { installationFolder } from '../host/assets.ts'
import { ensureDir, writeFileAtomic } from '../host/files.ts'
import { homePaths } from './paths.ts'

/** Puts the JSON Schema of this version where new files of settings say that it is (config/template.ts). */
export async function publishSchema(home: string): Promise<void> {
  const text = await readFile(path.join(installationFolder(), 'schema', 'tcolima.schema.json'), 'utf8')
  const place = homePaths(home).schema
  const before = await readFile(place, 'utf8').catch(() => '')
  if (text === before) return
  // An editor may be the first thing that a new user sees.
  await ensureDir(home)
  await writeFileAtomic(place, text, 0o644)
}
