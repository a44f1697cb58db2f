import { saveConfig } from '../config/save.ts'
import { writeFileAtomic } from '../host/files.ts'
import { publishSchema } from '../instance/schema-file.ts'
import type { StartParams } from './api.ts'
import type { AgentContext } from './context.ts'

/** Writes what a start changes in the user's file, unless it is not to be saved. Throws like `saveConfig`. */
export async function saveSettings(
  { paths, home }: AgentContext,
  { changes, save, newText }: Pick<StartParams, 'changes' | 'save' | 'newText'>,
): Promise<void> {
  if (!save) return
  await publishSchema(home)
  await saveConfig(paths.config, changes, writeFileAtomic, newText)
}
