import { readFileSync } from 'node:fs'
import path from 'node:path'
import { installationFolder } from '../host/assets.ts'

/** The version of this installation. */
export function version(): string {
  const text = readFileSync(path.join(installationFolder(), 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
