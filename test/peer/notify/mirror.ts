import { EventEmitter, once } from 'node:events'
import { promises as fs } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { FsWatcher, type FsWatcherOptions } from '../../../src/notify/fs-watcher.ts'
import type { HostChange, HostWarning } from '../../../src/notify/host-watcher.ts'

const LIMIT_MS = 20_000

/**
 * Does with changes what a guest does that watches a whole tree: replays them one by one on a tree of its own, and looks
 * into folders that come up. A change that cannot be replayed is a fault.
 */
export class Mirror {
  readonly watcher: FsWatcher
  readonly root: string
  readonly changes: HostChange[] = []
  readonly warnings: HostWarning[] = []
  readonly faults: string[] = []
  /** Path to whether it is a folder. */
  private readonly tree = new Map<string, boolean>()
  private readonly news = new EventEmitter()
  private listing = 0
  /** How many changes were replayed; and the last of them that touched a name, or took what was there away. */
  private replayed = 0
  private readonly changed = new Map<string, number>()
  private readonly removed = new Map<string, number>()

  private constructor(root: string, options: FsWatcherOptions) {
    this.root = root
    this.watcher = new FsWatcher(options)
    this.watcher.on('changes', (changes) => {
      for (const change of changes) this.replay(change)
      this.changes.push(...changes)
      this.news.emit('news')
    })
    this.watcher.on('warning', (warning) => this.warnings.push(warning))
  }

  /** Watches a new, empty temporary folder, or what `fill` puts into it. */
  static async start(
    fill: (at: (name: string) => string) => Promise<void> = async () => {},
    options: FsWatcherOptions = {},
  ): Promise<Mirror> {
    const root = await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'tcolima-notify-')))
    const mirror = new Mirror(root, options)
    await fill(mirror.at)
    await mirror.lookInto(root)
    return mirror
  }

  readonly at = (name: string) => path.join(this.root, name)

  async end(): Promise<void> {
    await this.watcher.close()
    await fs.rm(this.root, { recursive: true, force: true })
  }

  /** The changes told so far, short: `modify a/b`, `create d/`, `rename a -> b`. */
  told(): string[] {
    const name = (at: string, folder: boolean) => path.relative(this.root, at) + (folder ? '/' : '')
    return this.changes.map((change) =>
      change.kind === 'rename'
        ? `rename ${name(change.from, change.type === 'folder')} -> ${name(change.to, change.type === 'folder')}`
        : `${change.kind} ${name(change.path, change.type === 'folder')}`,
    )
  }

  /** The folders, or else everything but folders, of the tree that the changes made. */
  paths(folders: boolean): string[] {
    return [...this.tree]
      .filter(([, folder]) => folder === folders)
      .map(([at]) => path.relative(this.root, at))
  }

  /** Waits until `holds`, which is asked after every batch. */
  async until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const end = performance.now() + LIMIT_MS
    while (!(await holds())) {
      const left = end - performance.now()
      if (left <= 0) throw new Error(`not seen in time: ${what}; told: ${this.told().slice(-20).join(', ')}`)
      const signal = AbortSignal.timeout(Math.ceil(Math.min(left, 200)))
      await once(this.news, 'news', { signal }).catch(() => {})
    }
  }

  /** Waits for all of these changes, in any order and among others. */
  async hears(...wanted: string[]): Promise<void> {
    await this.until(() => {
      const told = new Set(this.told())
      return wanted.every((change) => told.has(change))
    }, wanted.join(', '))
  }

  /** Makes a change behind everything so far and waits for it: all before it has been told then. Forgets its trace. */
  async settle(): Promise<void> {
    await this.until(() => this.listing === 0, 'folders looked into')
    const name = `settle-${Math.random()}`
    await fs.writeFile(this.at(name), '')
    await this.hears(`create ${name}`)
    await fs.rm(this.at(name))
    await this.hears(`delete ${name}`)
    const trace = this.at(name)
    const rest = this.changes.filter((change) => change.kind === 'rename' || change.path !== trace)
    this.changes.splice(0, this.changes.length, ...rest)
  }

  /** Waits for `sameTree`, then checks that no change was impossible. */
  async matches(): Promise<void> {
    await this.sameTree()
    if (this.faults.length > 0) throw new Error(`cannot be replayed: ${this.faults.slice(0, 20).join(', ')}`)
  }

  /** Waits until the tree that the changes made is the one on disk. */
  async sameTree(): Promise<void> {
    let differing: string[] = []
    const same = async () => {
      const disk = await treeOf(this.root)
      differing = [...disk.keys(), ...this.tree.keys()].filter((at) => disk.get(at) !== this.tree.get(at))
      return differing.length === 0 && this.listing === 0
    }
    await this.until(same, 'the same tree as on disk').catch((error: Error) => {
      throw new Error(`${error.message}; differing: ${differing.slice(0, 20).join(', ')}`)
    })
  }

  private async lookInto(folder: string): Promise<void> {
    this.listing++
    const began = this.replayed
    this.watcher.add(folder)
    // What comes after this is told; what a change tells anew was listed here already.
    const entries = await fs.readdir(folder, { withFileTypes: true }).catch(() => [])
    for (const entry of entries) {
      const at = path.join(folder, entry.name)
      // What was replayed meanwhile is newer than the list.
      if (this.changedSince(began, at)) continue
      this.tree.set(at, entry.isDirectory())
      if (entry.isDirectory()) await this.lookInto(at)
    }
    this.listing--
  }

  private changedSince(when: number, at: string): boolean {
    for (let up = at; up.length > this.root.length; up = path.dirname(up)) {
      const changed = (up === at ? this.changed : this.removed).get(up)
      if (changed !== undefined && changed > when) return true
    }
    return false
  }

  private replay(change: HostChange): void {
    this.replayed++
    const names = change.kind === 'rename' ? [change.from, change.to] : [change.path]
    for (const name of names) {
      this.changed.set(name, this.replayed)
      if (change.kind === 'rename' || change.kind === 'delete') this.removed.set(name, this.replayed)
    }
    if (change.kind === 'rename') {
      if (!this.tree.has(change.from)) this.faults.push(`rename from ${change.from}, which is not there`)
      if (change.to.startsWith(`${change.from}/`)) this.faults.push(`rename ${change.from} into itself`)
      for (const [at, folder] of [...this.tree]) {
        if (at !== change.from && !at.startsWith(`${change.from}/`)) continue
        this.tree.delete(at)
        this.tree.set(change.to + at.slice(change.from.length), folder)
      }
      const isFolder = change.type === 'folder'
      this.tree.set(change.to, isFolder)
      // It may have been renamed before it could be looked into.
      if (isFolder) void this.lookInto(change.to)
      return
    }
    const { kind, path: at } = change
    const folder = change.type === 'folder'
    if (at !== this.root && path.dirname(at) !== this.root && !this.tree.has(path.dirname(at))) {
      this.faults.push(`${kind} ${at}, whose folder is not there`)
    }
    if (kind === 'create') {
      this.tree.set(at, folder)
      if (folder) void this.lookInto(at)
    } else if (!this.tree.has(at) && at !== this.root) {
      this.faults.push(`${kind} ${at}, which is not there`)
    } else if (kind === 'delete') this.tree.delete(at)
  }
}

async function treeOf(root: string): Promise<Map<string, boolean>> {
  const entries = await fs.readdir(root, { withFileTypes: true, recursive: true })
  return new Map(entries.map((entry) => [path.join(entry.parentPath, entry.name), entry.isDirectory()]))
}
