import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { promises as fs } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ReplayStep, Replays } from '../../../src/mounts/replay.ts'
import { stepsText } from '../../../src/mounts/replay-text.ts'
import { type Mounted, mountFresh, output } from './sshfs.ts'

const script = path.resolve(import.meta.dirname, '../../../guest/rootfs/usr/lib/tcolima/replay')

/** The guest's side: a watcher of the mount, and the script that replays. */
class Guest {
  readonly events: string[] = []
  private readonly children: ChildProcessWithoutNullStreams[] = []
  private readonly replies: string[] = []
  private worker: ChildProcessWithoutNullStreams | undefined
  private readonly mount: string

  constructor(mount: string) {
    this.mount = mount
  }

  /** Watches these folders of the mount. */
  async watch(...folders: string[]): Promise<void> {
    const where = folders.map((folder) => path.join(this.mount, folder))
    const child = this.start('inotifywait', ['-m', '--format', '%e %w%f', ...where])
    createInterface(child.stdout).on('line', (line) => this.events.push(line.replace(`${this.mount}/`, '')))
    await new Promise<void>((resolve) => {
      createInterface(child.stderr).on('line', (line) => line.includes('established') && resolve())
    })
  }

  /** Replays steps; gives how many failed. */
  async replay(replays: Pick<Replays, 'expect' | 'settle'>, steps: ReplayStep[]): Promise<number> {
    this.worker ??= this.startWorker()
    replays.expect(steps)
    const before = this.replies.length
    this.worker.stdin.write(`1 ${stepsText(steps)}\n`)
    await expect.poll(() => this.replies.length, { timeout: 10_000, interval: 5 }).toBe(before + 1)
    replays.settle()
    return Number(this.replies.at(-1)?.split(' ')[1])
  }

  async end(): Promise<void> {
    await Promise.all(
      this.children.map((child) => {
        const gone = new Promise((resolve) => child.once('close', resolve))
        child.kill('SIGKILL')
        return gone
      }),
    )
  }

  private startWorker(): ChildProcessWithoutNullStreams {
    const worker = this.start('perl', [script, this.mount])
    createInterface(worker.stdout).on('line', (line) => this.replies.push(line))
    return worker
  }

  private start(program: string, args: string[]): ChildProcessWithoutNullStreams {
    const child = spawn(program, args, { stdio: 'pipe' })
    this.children.push(child)
    return child
  }
}

/** All that is in a folder of the host: names, kinds, modes, times, content. */
async function snapshot(folder: string): Promise<string> {
  return await output('bash', [
    '-c',
    `cd '${folder}'; find . -printf '%p %y %m %s %T@ %C@ %i %l\\n' | sort; find . -type f | sort | xargs -r cat`,
  ])
}

describe.each([true, false])('a replay on a mount (writable: %s)', (writable) => {
  let mounted: Mounted
  let guest: Guest
  let replays: Replays
  const onHost = (name: string) => path.join(mounted.root, name)
  beforeEach(async () => {
    replays = new Replays()
    mounted = await mountFresh(writable, { replays })
    guest = new Guest(mounted.mount)
    await fs.mkdir(onHost('d'))
    await fs.writeFile(onHost('d/old'), 'old')
  })
  afterEach(async () => {
    await guest.end()
    await mounted.unmount()
  })

  test('shows a new file, a change, a removal, and changes nothing on the host', async () => {
    await guest.watch('d')
    await fs.writeFile(onHost('d/new'), 'content')
    await fs.writeFile(onHost('d/old'), 'other')
    const before = await snapshot(mounted.root)
    expect(
      await guest.replay(replays, [
        { act: 'create', path: '/d/new' },
        { act: 'modify', path: '/d/old' },
        { act: 'attributes', path: '/d/old' },
      ]),
    ).toBe(0)
    expect(await snapshot(mounted.root)).toBe(before)
    expect(guest.events).toEqual([
      'CREATE d/new',
      'OPEN d/new',
      'MODIFY d/new',
      'CLOSE_WRITE,CLOSE d/new',
      'OPEN d/old',
      'MODIFY d/old',
      'CLOSE_WRITE,CLOSE d/old',
      'ATTRIB d/old',
    ])
    expect(await mounted.sh('cat d/new d/old; stat -c %s d/new')).toBe('contentother7\n')
    guest.events.length = 0
    await fs.unlink(onHost('d/new'))
    expect(await guest.replay(replays, [{ act: 'remove', path: '/d/new', type: 'file' }])).toBe(0)
    expect(guest.events.filter((line) => !/OPEN|CLOSE|ACCESS/.test(line))).toEqual(['DELETE d/new'])
    expect(await mounted.sh('ls d')).toBe('old\n')
  })

  test('shows new, moved and removed folders and links', async () => {
    await guest.watch('.', 'd')
    await fs.mkdir(onHost('d/f'))
    await fs.symlink('old', onHost('d/l'))
    const before = await snapshot(mounted.root)
    const made: ReplayStep[] = [
      { act: 'mkdir', path: '/d/f' },
      { act: 'symlink', path: '/d/l' },
    ]
    expect(await guest.replay(replays, made)).toBe(0)
    expect(await snapshot(mounted.root)).toBe(before)
    expect(guest.events).toEqual(['CREATE,ISDIR d/f', 'CREATE d/l'])
    expect(await mounted.sh('stat -c %F d/f; readlink d/l')).toBe('directory\nold\n')
    guest.events.length = 0
    await fs.rename(onHost('d/f'), onHost('g'))
    await fs.rename(onHost('d/l'), onHost('d/m'))
    const moved = await snapshot(mounted.root)
    expect(
      await guest.replay(replays, [
        { act: 'rename', from: '/d/f', to: '/g', type: 'folder' },
        { act: 'rename', from: '/d/l', to: '/d/m', type: 'link' },
      ]),
    ).toBe(0)
    expect(await snapshot(mounted.root)).toBe(moved)
    expect(guest.events.sort()).toEqual(
      ['MOVED_FROM,ISDIR d/f', 'MOVED_FROM d/l', 'MOVED_TO,ISDIR g', 'MOVED_TO d/m'].sort(),
    )
    guest.events.length = 0
    await fs.rmdir(onHost('g'))
    await fs.unlink(onHost('d/m'))
    expect(await guest.replay(replays, [{ act: 'rmdir', path: '/g', type: 'folder' }])).toBe(0)
    expect(await guest.replay(replays, [{ act: 'remove', path: '/d/m', type: 'link' }])).toBe(0)
    expect(guest.events.filter((line) => line.startsWith('DELETE '))).toEqual(['DELETE d/m'])
    expect(guest.events.filter((line) => line.startsWith('DELETE,ISDIR'))).toEqual(['DELETE,ISDIR g'])
    expect(await mounted.sh('find .')).toBe('.\n./d\n./d/old\n')
  })

  test('tells who watches a file itself of its end, and of a file moved over it that is open in the guest', async () => {
    const reader = mounted.sh('exec 5<d/old; echo >&2; until [ -e d/stop ]; do sleep 0.05; done; cat <&5')
    await guest.watch('d/old')
    await expect.poll(() => mounted.session.stats().openHandles).toBe(1)
    await fs.writeFile(onHost('d/tmp'), 'new content')
    await fs.rename(onHost('d/tmp'), onHost('d/old'))
    const before = await snapshot(mounted.root)
    const steps: ReplayStep[] = [{ act: 'rename', from: '/d/tmp', to: '/d/old', type: 'file' }]
    expect(await guest.replay(replays, steps)).toBe(0)
    expect(await snapshot(mounted.root)).toBe(before)
    expect(await mounted.sh('cat d/old')).toBe('new content')
    await fs.writeFile(onHost('d/stop'), '')
    // As on a local disk: what was open stays what it was.
    expect(await reader).toBe('old')
    await fs.unlink(onHost('d/old'))
    expect(await guest.replay(replays, [{ act: 'remove', path: '/d/old', type: 'file' }])).toBe(0)
    expect(guest.events.join(' ')).toContain('_SELF')
  })

  test('the host wins where it has gone on meanwhile', async () => {
    await fs.writeFile(onHost('d/a'), 'a')
    await mounted.sh('ls -l d; cat d/a')
    await guest.watch('d')
    const before = await snapshot(mounted.root)
    // Told removed and moved, and there again.
    await guest.replay(replays, [
      { act: 'remove', path: '/d/a', type: 'file' },
      { act: 'rename', from: '/d/old', to: '/d/b', type: 'file' },
      { act: 'rmdir', path: '/d', type: 'folder' },
    ])
    expect(await snapshot(mounted.root)).toBe(before)
    // Told new and changed, and gone again.
    const failed = await guest.replay(replays, [
      { act: 'create', path: '/d/x' },
      { act: 'mkdir', path: '/d/y' },
      { act: 'symlink', path: '/d/z' },
      { act: 'modify', path: '/d/v' },
      { act: 'attributes', path: '/d/w' },
    ])
    expect(failed).toBe(5)
    expect(await snapshot(mounted.root)).toBe(before)
  })

  test('a replay that nobody expects any more changes nothing', async () => {
    await mounted.sh('ls -l d; cat d/old')
    const before = await snapshot(mounted.root)
    const steps: ReplayStep[] = [
      { act: 'create', path: '/d/x' },
      { act: 'mkdir', path: '/d/y' },
      { act: 'symlink', path: '/d/z' },
      { act: 'modify', path: '/d/old' },
      { act: 'attributes', path: '/d/old' },
    ]
    await guest.replay({ expect: () => {}, settle: () => {} }, steps)
    expect(await snapshot(mounted.root)).toBe(before)
  })
})
