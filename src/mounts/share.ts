import type { HandleTable } from './handles.ts'
import type { HostFiles } from './host-files.ts'
import type { SharePaths } from './share-path.ts'

/** What one session works on; every operation gets it. */
export interface Share {
  paths: SharePaths
  files: HostFiles
  handles: HandleTable
  writable: boolean
  /** `darwin` differs in what `link` follows. */
  platform: NodeJS.Platform
  counters: { bytesRead: number; bytesWritten: number }
}
