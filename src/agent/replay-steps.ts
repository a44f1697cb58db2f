import type { Stats } from 'node:fs'
import type { EntryType, ReplayStep } from '../mounts/replay.ts'
import type { HostChange } from '../notify/host-watcher.ts'

/** Steps of one replay at most: new files stay hidden from the guest until their turn comes. */
const longestBatch = 32

/**
 * The step that shows a change to a guest, or undefined for what no request can show (sockets, pipes, attributes of
 * links). Takes the change, its paths as the client has them, and what is there now.
 */
export function stepOf(
  change: HostChange,
  paths: { path: string; from: string },
  now: Stats | undefined,
): ReplayStep | undefined {
  const { path, from } = paths
  switch (change.kind) {
    case 'create':
      if (now?.isDirectory()) return { act: 'mkdir', path }
      if (now?.isSymbolicLink()) return { act: 'symlink', path }
      return now?.isFile() ? { act: 'create', path } : undefined
    case 'modify':
      return now?.isFile() ? { act: 'modify', path } : undefined
    case 'attributes':
      return now && !now.isSymbolicLink() ? { act: 'attributes', path } : undefined
    case 'delete':
      return { act: change.type === 'folder' ? 'rmdir' : 'remove', path, type: typeOf(change) }
    case 'rename':
      return { act: 'rename', from, to: path, type: typeOf(change) }
  }
}

/** Takes the steps of one replay off the front of a queue: in order, and no path twice, for each has one belief at a time. */
export function takeBatch(queue: ReplayStep[]): ReplayStep[] {
  const seen = new Set<string>()
  let count = 0
  for (const step of queue) {
    const paths = step.act === 'rename' ? [step.from, step.to] : [step.path]
    if (count === longestBatch || paths.some((path) => seen.has(path))) break
    for (const path of paths) seen.add(path)
    count++
  }
  return queue.splice(0, count)
}

// Of a file that was gone before it was looked at, the likeliest.
function typeOf({ type }: HostChange): EntryType {
  return type === 'other' ? 'file' : type
}
