import { promises as fs } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { once } from 'node:events'
import { FsWatcher, type WatchFolder } from '../../../src/notify/fs-watcher.ts'
import type { HostChange, HostWarning } from '../../../src/notify/host-watcher.ts'
import type { LimitsOf } from '../../../src/notify/limits.ts'

let root: string
let watcher: FsWatcher
const at = (name: string) => path.join(root, name)

/** The system's half, played by the test: what is watched, and how to speak of it. */
const listeners = new Map<string, (event: string, name: string | null) => void>()
const faults = new Map<string, string>()
const watch: WatchFolder = (folder, listener) => {
  const code = faults.get(folder)
  if (code) throw Object.assign(new Error(code), { code })
  listeners.set(folder, listener)
  const handle = {
    close: () => listeners.get(folder) === listener && listeners.delete(folder),
    on: () => handle,
  }
  return handle as never
}
const say = (folder: string, event: string, name: string | null) => listeners.get(folder)?.(event, name)
const machine = (platform: string): LimitsOf => ({ platform, read: () => '64', openFiles: () => '256' })

beforeEach(async () => {
  listeners.clear()
  faults.clear()
  root = await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'tcolima-watcher-')))
})
afterEach(async () => {
  await watcher.close()
  await fs.rm(root, { recursive: true, force: true })
})

const told = (batch: HostChange[]) =>
  batch.map((change) =>
    change.kind === 'rename'
      ? `rename ${path.relative(root, change.from)} -> ${path.relative(root, change.to)}`
      : `${change.kind} ${path.relative(root, change.path)}`,
  )

/** The next batch of changes; the test's time limit bounds the wait. */
async function heard(): Promise<string[]> {
  const [batch] = await once(watcher, 'changes')
  return told(batch)
}

/** Counts what the watcher has done: it reads each folder, and looks, within this. */
let works = 0
const still = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } finally {
    works++
  }
}

/** Adds folders and waits until they have been read: only then is a new file told from one that was there. */
async function watching(...folders: string[]): Promise<void> {
  for (const folder of folders) {
    const before = works
    watcher.add(folder)
    await vi.waitFor(() => expect(works).toBe(before + 1))
  }
}

describe('macOS: events of any kind, with a name, without one, or for a path alone', () => {
  beforeEach(() => {
    watcher = new FsWatcher({ still, watch, machine: machine('darwin') })
  })

  test('a new file, later told as renamed again when it is edited', async () => {
    await watching(root)
    await fs.writeFile(at('f'), 'one')
    say(root, 'rename', 'f')
    expect(await heard()).toEqual(['create f'])
    await fs.writeFile(at('f'), 'two')
    say(root, 'rename', 'f')
    expect(await heard()).toEqual(['modify f'])
  })

  test('an event that comes late, when all is known, is not told again', async () => {
    await watching(root)
    await fs.writeFile(at('f'), 'one')
    say(root, 'rename', 'f')
    await heard()
    say(root, 'change', 'f')
    await fs.writeFile(at('g'), '')
    say(root, 'rename', 'g')
    expect(await heard()).toEqual(['create g'])
  })

  test('a folder of which no name is told is read', async () => {
    await fs.writeFile(at('old'), '')
    await fs.writeFile(at('gone'), '')
    await watching(root)
    await fs.rename(at('old'), at('new'))
    await fs.rm(at('gone'))
    await fs.mkdir(at('sub'))
    say(root, 'rename', null)
    expect((await heard()).sort()).toEqual(['create sub', 'delete gone', 'rename old -> new'])
  })

  test('a renamed folder is watched anew under its new path', async () => {
    await fs.mkdir(at('a/b'), { recursive: true })
    await watching(root, at('a'), at('a/b'))
    await fs.rename(at('a'), at('z'))
    say(root, 'rename', 'a')
    say(root, 'rename', 'z')
    expect(await heard()).toEqual(['rename a -> z'])
    expect([...listeners.keys()].sort()).toEqual([root, at('z'), at('z/b')])
    await fs.writeFile(at('z/b/f'), '')
    say(at('z/b'), 'rename', 'f')
    expect(await heard()).toEqual(['create z/b/f'])
  })

  test('a tree that went away is told whole, though only its top was spoken of, the deepest first', async () => {
    await fs.mkdir(at('a/b'), { recursive: true })
    await fs.writeFile(at('a/b/f'), '')
    await watching(root, at('a'), at('a/b'))
    await fs.rm(at('a'), { recursive: true })
    say(root, 'rename', 'a')
    expect(await heard()).toEqual(['delete a/b/f', 'delete a/b', 'delete a'])
    expect([...listeners.keys()]).toEqual([root])
  })

  test('times set by hand may hide an edit, so they are one', async () => {
    await fs.writeFile(at('f'), 'one')
    await watching(root)
    await fs.utimes(at('f'), 1, 1)
    say(root, 'change', 'f')
    expect(await heard()).toEqual(['modify f'])
  })
})

describe('limits of the host', () => {
  test('one warning for many folders; what is watched goes on, and a later add works', async () => {
    watcher = new FsWatcher({ still, watch, machine: machine('linux') })
    const warnings: HostWarning[] = []
    watcher.on('warning', (warning) => warnings.push(warning))
    const names = ['a', 'b', 'c'].map(at)
    for (const name of names) {
      await fs.mkdir(name)
      faults.set(name, 'ENOSPC')
    }
    await watching(root)
    for (const name of names) watcher.add(name)
    expect(warnings.map(({ text }) => text)).toEqual([expect.stringContaining('max_user_watches (64)')])
    faults.clear()
    await watching(at('b'))
    await fs.writeFile(at('b/f'), '')
    say(at('b'), 'rename', 'f')
    expect(await heard()).toEqual(['create b/f'])
    faults.set(at('c'), 'EMFILE')
    watcher.add(at('c'))
    expect(warnings).toHaveLength(2)
    expect(warnings[1]?.text).toContain('max_user_instances (64)')
  })

  test('folders that are not there, or no folders, or links to one are passed over', async () => {
    watcher = new FsWatcher({ still, watch, machine: machine('linux') })
    watcher.on('warning', ({ text }) => expect.fail(text))
    await fs.writeFile(at('file'), '')
    await fs.symlink(root, at('link'))
    for (const name of ['nothing', 'file', 'link']) watcher.add(at(name))
    expect(listeners.size).toBe(0)
  })
})

test('after close nothing is watched, added or told', async () => {
  watcher = new FsWatcher({ still, watch, machine: machine('linux') })
  await watching(root)
  const listener = listeners.get(root)
  watcher.on('changes', (changes) => expect.fail(told(changes).join()))
  await fs.writeFile(at('f'), '')
  listener?.('rename', 'f')
  await watcher.close()
  listener?.('rename', 'f')
  watcher.add(root)
  expect(listeners.size).toBe(0)
})
