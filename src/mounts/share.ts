import type { HandleTable } from './handles.ts'
import type { Hints } from './hints.ts'
import type { Replays } from './replay.ts'
import type { Journal } from './journal.ts'
import type { Owners } from './owners.ts'
import type { SharePaths } from './share-path.ts'

/** Gets told what the client of a share does. Paths are the client's, as it wrote them, unless something else is said. */
export interface ShareObserver {
  /** A new client begins: it knows nothing yet. */
  begins(): void
  /**
   * The client knows this folder (its real path on the host, as a byte string), and may come to wait for changes of its
   * entries. Called while no name can change.
   */
  knows(place: string): void
  /** The client changed this path, or is about to: told before the host's watchers can have noticed. */
  changed(path: string): void
  /** The client has this file open for writing, until `closed` is called as often. */
  opened(path: string): void
  closed(path: string): void
}

/** What one session works on; every operation gets it. */
export interface Share {
  paths: SharePaths
  handles: HandleTable
  journal: Journal
  owners: Owners
  writable: boolean
  /** `darwin` differs in what `link` follows. */
  platform: NodeJS.Platform
  /** What the guest is to see of the host's changes; undefined where nothing is replayed. */
  replays: Replays | undefined
  observer: ShareObserver | undefined
  /** Where the client takes replies ahead. */
  hints: Hints | undefined
  counters: { bytesRead: number; bytesWritten: number }
}
