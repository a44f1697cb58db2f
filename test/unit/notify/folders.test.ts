import { expect, test } from 'vitest'
import { changesOf, findMoves } from '../../../src/notify/diff.ts'
import { type Folder, Folders } from '../../../src/notify/folders.ts'
import type { State } from '../../../src/notify/state.ts'

const state = (ino: number, mode: number): State => ({
  ino,
  mode,
  size: 0,
  mtimeMs: 1,
  ctimeMs: 1,
  birthtimeMs: ino,
})
const dir = (ino: number) => state(ino, 0o040755)
const file = (ino: number) => state(ino, 0o100644)

function watched(folders: Folders, path: string, ino: number, entries?: Record<string, State>): Folder {
  const known = entries && new Map(Object.entries(entries))
  const folder: Folder = {
    path,
    self: dir(ino),
    entries: known,
    marks: new Map(),
    closed: false,
    stale: false,
  }
  folders.set(folder)
  return folder
}

/** Takes what is at the marked paths now; gives what is told. */
function told(folders: Folders, now: Record<string, State> = {}): string[] {
  const looks = folders.takeMarks()
  for (const look of looks) look.after = now[look.path]
  const all = folders.withGone(looks, findMoves(looks), { arrived: new Map(), covered: [] })
  folders.learn(all)
  const changes = changesOf(all, findMoves(all), { now: 0, exact: true })
  return changes.map((change) => (change.kind === 'rename' ? change.to : `${change.kind} ${change.path}`))
}

test('a tree with a folder that had not been read yet: what events spoke of in that is told too', () => {
  const folders = new Folders()
  const root = watched(folders, '/w', 1, { d: dir(2) })
  const unread = watched(folders, '/w/d', 2)
  const inner = watched(folders, '/w/d/e', 3, { f: file(4) })
  folders.mark(unread, 'x', 1, 'rename')
  folders.mark(unread, 'e', 2, 'rename')
  folders.mark(root, 'd', 3, 'rename')
  expect(told(folders)).toEqual(['delete /w/d/e/f', 'delete /w/d/x', 'delete /w/d/e', 'delete /w/d'])
  expect([root, unread, inner].map(({ closed }) => closed)).toEqual([false, true, true])
  expect(folders.anyMarked()).toBe(false)
})

test('a watched folder whose parent is not is told to be gone with what is above it', () => {
  const folders = new Folders()
  const root = watched(folders, '/w', 1, { a: dir(2) })
  watched(folders, '/w/a/b', 3, { f: file(4) })
  folders.mark(root, 'a', 1, 'rename')
  expect(told(folders)).toEqual(['delete /w/a/b/f', 'delete /w/a/b', 'delete /w/a'])
})

test('a folder that is not gone takes nothing with it', () => {
  const folders = new Folders()
  const root = watched(folders, '/w', 1, { d: dir(2) })
  const child = watched(folders, '/w/d', 2, { f: file(4) })
  folders.mark(root, 'd', 1, 'change')
  expect(told(folders, { '/w/d': { ...dir(2), ctimeMs: 5, mode: 0o040700 } })).toEqual(['attributes /w/d'])
  expect(child.closed).toBe(false)
  expect(child.self.mode).toBe(0o040700)
})
