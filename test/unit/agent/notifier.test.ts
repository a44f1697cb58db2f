import { EventEmitter } from 'node:events'
import { promises as fs } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Notifier, type NotifierInput } from '../../../src/agent/notifier.ts'
import type { ReplayStep } from '../../../src/mounts/replay.ts'
import type { HostChange, HostWarning, HostWatcher } from '../../../src/notify/host-watcher.ts'
import { ignores } from '../../../src/notify/ignores.ts'

class FakeWatcher
  extends EventEmitter<{ changes: [HostChange[]]; warning: [HostWarning] }>
  implements HostWatcher
{
  readonly watched = new Set<string>()
  closed = false
  add(folder: string): void {
    this.watched.add(folder)
  }
  remove(folder: string): void {
    this.watched.delete(folder)
  }
  async close(): Promise<void> {
    this.closed = true
  }
}

let root: string
let watcher: FakeWatcher
let sent: { id: number; steps: readonly ReplayStep[] }[]
let notifier: Notifier

function make(more: Partial<NotifierInput> = {}): Notifier {
  const made = new Notifier({
    still: (work) => work(),
    files: {
      replays: path.join(root, '../pending'),
      folders: path.join(root, '../folders'),
      ignoredFolders: path.join(root, '../ignored'),
    },
    ignores: ignores(['.git']),
    makeWatcher: async () => watcher,
    send: (id, steps) => sent.push({ id, steps: [...steps] }),
    onLook: () => {},
    warn: () => {},
    log: () => {},
    ...more,
  })
  made.root = root
  return made
}

function changed(...changes: HostChange[]): void {
  watcher.emit('changes', changes)
}

beforeEach(async () => {
  const top = await fs.mkdtemp(path.join(os.tmpdir(), 'tcolima-notifier-'))
  root = path.join(top, 'share')
  await fs.mkdir(root)
  watcher = new FakeWatcher()
  sent = []
  notifier = make()
})
afterEach(async () => {
  await notifier.close()
  await fs.rm(path.dirname(root), { recursive: true, force: true })
})

async function start(): Promise<void> {
  notifier.setWatched(true)
  await vi.waitFor(() => expect(watcher.listenerCount('changes')).toBe(1))
}

test('watches what the guest knows, while it watches; not what is ignored, has no name in UTF-8, or is a link by now', async () => {
  await fs.mkdir(path.join(root, 'a'))
  await fs.symlink('a', path.join(root, 'link'))
  for (const folder of ['', '/a', '/.git', '/a/.git/x', '/\xff', '/link', '/gone'])
    notifier.observer.knows(Buffer.from(root).toString('latin1') + folder)
  expect(watcher.watched.size).toBe(0)
  await start()
  await vi.waitFor(() => expect([...watcher.watched]).toEqual([root, path.join(root, 'a')]))
  notifier.observer.knows(path.join(root, 'c'))
  expect(watcher.watched.has(path.join(root, 'c'))).toBe(true)
  notifier.setWatched(false)
  await vi.waitFor(() => expect(watcher.closed).toBe(true))
})

test('an agent that comes after watches what the guest knows', async () => {
  notifier.observer.knows(root)
  notifier = make()
  await start()
  await vi.waitFor(() => expect([...watcher.watched]).toEqual([root]))
})

test('a new client is watched for nothing of the one before', async () => {
  notifier.observer.knows(root)
  await start()
  await vi.waitFor(() => expect(watcher.watched.size).toBe(1))
  notifier.observer.begins()
  expect(watcher.watched.size).toBe(0)
})

test('replays one batch after the other', async () => {
  await start()
  await fs.writeFile(path.join(root, 'x'), '')
  changed({ kind: 'create', path: path.join(root, 'x'), type: 'file' })
  changed({ kind: 'delete', path: path.join(root, 'y'), type: 'file' })
  changed({ kind: 'modify', path: path.join(root, '.git/index'), type: 'file' })
  expect(sent).toEqual([{ id: 1, steps: [{ act: 'create', path: '/x' }] }])
  notifier.replayed(7)
  expect(sent).toHaveLength(1)
  notifier.replayed(1)
  expect(sent[1]).toEqual({ id: 2, steps: [{ act: 'remove', path: '/y', type: 'file' }] })
})

test('moves from and to ignored names are creations and removals; a folder that is a file by now stops nothing', async () => {
  await start()
  const at = (name: string) => path.join(root, name)
  for (const name of ['shown', 'file']) await fs.writeFile(at(name), '')
  notifier.observer.changed('/file/below')
  changed(
    { kind: 'rename', from: at('.git/x'), to: at('shown'), type: 'file' },
    { kind: 'rename', from: at('gone'), to: at('.git/y'), type: 'file' },
    { kind: 'rename', from: at('.git/a'), to: at('.git/b'), type: 'file' },
    { kind: 'modify', path: at('file/below'), type: 'file' },
  )
  expect(sent.map(({ steps }) => steps)).toEqual([
    [
      { act: 'create', path: '/shown' },
      { act: 'remove', path: '/gone', type: 'file' },
    ],
  ])
})

test("the guest's own changes are not told to it", async () => {
  await start()
  const file = path.join(root, 'own')
  notifier.observer.opened('/own')
  await fs.writeFile(file, 'guest')
  changed({ kind: 'create', path: file, type: 'file' })
  notifier.observer.closed('/own')
  changed({ kind: 'modify', path: file, type: 'file' })
  await fs.rename(file, path.join(root, 'moved'))
  notifier.observer.changed('/own')
  notifier.observer.changed('/moved')
  changed({ kind: 'rename', from: file, to: path.join(root, 'moved'), type: 'file' })
  expect(sent).toEqual([])
  await fs.writeFile(path.join(root, 'moved'), 'by the host')
  changed({ kind: 'modify', path: path.join(root, 'moved'), type: 'file' })
  expect(sent).toHaveLength(1)
})

test('a guest that does not answer does not stop what comes after', async () => {
  vi.useFakeTimers()
  try {
    notifier.setWatched(true)
    await vi.runAllTimersAsync()
    changed({ kind: 'delete', path: path.join(root, 'a'), type: 'file' })
    changed({ kind: 'delete', path: path.join(root, 'b'), type: 'file' })
    await vi.advanceTimersByTimeAsync(30_000)
    expect(sent.map(({ id }) => id)).toEqual([1, 2])
    // Late, and of the one given up.
    notifier.replayed(1)
    expect(notifier.replays.leftover).toBe(true)
    notifier.replayed(2)
    expect(notifier.replays.leftover).toBe(false)
  } finally {
    vi.useRealTimers()
  }
})

test('what an earlier agent left under way is ended before it is forgotten', async () => {
  await start()
  changed({ kind: 'delete', path: path.join(root, 'a'), type: 'file' })
  const next = make()
  expect(next.replays.leftover).toBe(true)
  next.greet()
  expect(sent.at(-1)).toEqual({ id: 1, steps: [] })
  next.replayed(1)
  expect(next.replays.leftover).toBe(false)
  next.greet()
  expect(sent).toHaveLength(2)
})

test('too many changes at once: one warning, not silence', async () => {
  const warnings: string[] = []
  notifier = make({ warn: ({ text }) => warnings.push(text), mostWaiting: 100 })
  await start()
  const deletes = Array.from({ length: 102 }, (_, n) => `${root}/${n}`)
  for (let round = 0; round < 2; round++)
    changed(...deletes.map((path) => ({ kind: 'delete' as const, path, type: 'file' as const })))
  expect(warnings).toEqual([expect.stringContaining('More than 100 changes')])
  await fs.writeFile(path.join(root, 'later'), '')
  changed({ kind: 'create', path: path.join(root, 'later'), type: 'file' })
  notifier.replayed(sent.at(-1)?.id ?? 0)
  expect(sent.at(-1)?.steps).toEqual([{ act: 'create', path: '/later' }])
})

test('other names are ignored from now on: what the guest knew of those is watched, what is ignored now is not', async () => {
  const [kept, old, now] = ['kept', '.git', 'dist'].map((name) => path.join(root, name)) as [
    string,
    string,
    string,
  ]
  for (const each of [kept, old, now]) {
    await fs.mkdir(each)
    notifier.observer.knows(each)
  }
  await start()
  await vi.waitFor(() => expect([...watcher.watched]).toEqual([kept, now]))
  notifier.setIgnores(ignores(['dist']))
  await vi.waitFor(() => expect([...watcher.watched]).toEqual([kept, old]))
  for (const file of [path.join(now, 'a'), path.join(old, 'b')]) await fs.writeFile(file, '')
  changed(
    { kind: 'create', path: path.join(now, 'a'), type: 'file' },
    { kind: 'create', path: path.join(old, 'b'), type: 'file' },
  )
  expect(JSON.stringify(sent)).toContain('/.git/b')
  expect(JSON.stringify(sent)).not.toContain('/dist/a')
  // Also where the guest watches later.
  notifier.setIgnores(ignores(['.git']))
  notifier.setWatched(false)
  await vi.waitFor(() => expect(watcher.closed).toBe(true))
  watcher = new FakeWatcher()
  await start()
  await vi.waitFor(() => expect([...watcher.watched].sort()).toEqual([now, kept]))
})

test('the folders of ignored names outlive a killed agent, for when they are ignored no more', async () => {
  const old = path.join(root, '.git')
  await fs.mkdir(old)
  notifier.observer.knows(old)
  const next = make()
  try {
    next.setWatched(true)
    await vi.waitFor(() => expect(watcher.listenerCount('changes')).toBe(1))
    next.setIgnores(ignores([]))
    await vi.waitFor(() => expect([...watcher.watched]).toEqual([old]))
    // A guest that looks anew has told of all it knows.
    next.observer.begins()
  } finally {
    await next.close()
  }
  const last = make()
  last.setIgnores(ignores([]))
  last.setWatched(true)
  await last.close()
  expect([...watcher.watched]).toEqual([])
})
