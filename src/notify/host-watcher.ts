import type { EventEmitter } from 'node:events'

/** What a name stands for; `other` are sockets, pipes and devices, and what nothing is known of. */
export type EntryType = 'file' | 'folder' | 'link' | 'other'

/** What happened to one path of the host. Paths are absolute. */
export type HostChange =
  | { kind: 'create' | 'modify' | 'attributes' | 'delete'; path: string; type: EntryType }
  | { kind: 'rename'; from: string; to: string; type: EntryType }

/** Something the user should know about the watching, and what to do about it. */
export interface HostWarning {
  text: string
  hint: string
}

/**
 * Tells what changes in folders of the host.
 *
 * `changes` come in an order in which they can be replayed one after the other. A path that changed many times within a
 * few milliseconds is told once, as what became of it. A file that was replaced by another is a `modify`; anything else
 * that was replaced a `delete` and a `create`. `warning` comes once for each limit of the host that is met.
 */
export interface HostWatcher extends EventEmitter<{ changes: [HostChange[]]; warning: [HostWarning] }> {
  /**
   * Watches a folder (absolute path) itself and its direct entries, not what lies deeper. Everything that changes after
   * this call is told, nothing that was there before. A watched folder that is renamed within watched folders stays
   * watched under its new name, with all below it; one that is deleted or moved away is forgotten. Nothing happens for
   * what is no folder, cannot be read, or is watched already.
   */
  add(folder: string): void
  /** Forgets a folder; what was watched below it stays watched. */
  remove(folder: string): void
  /** Ends everything; no event comes afterwards. */
  close(): Promise<void>
}
