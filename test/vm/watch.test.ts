import { execFileSync } from 'node:child_process'
import { copyFileSync, promises as fs } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { ResultPromise } from 'execa'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { docker, eventually, processesOf, tcolima } from './harness.ts'

const limitMs = 30_000

/** A program in the guest, or in a container, that watches folders with inotify. */
class Watcher {
  readonly events: string[] = []
  #ready = false
  readonly #process: ResultPromise

  constructor(start: ResultPromise) {
    this.#process = start
    if (start.stdout) {
      createInterface(start.stdout).on('line', (line) => {
        if (line === 'ready') this.#ready = true
        else this.events.push(line)
      })
    }
  }

  async ready(): Promise<void> {
    await eventually(() => this.#ready || undefined, limitMs)
  }

  async sees(event: string): Promise<void> {
    await eventually(() => this.events.includes(event) || undefined, limitMs).catch(() => {
      throw new Error(`no ${event} among: ${this.events.join('; ')}`)
    })
  }

  async end(): Promise<void> {
    this.#process.kill()
    await this.#process
  }
}

describe('changes on the host', () => {
  const shared = inject('shared')
  const root = path.join(shared.userHome, 'watched')
  const at = (name: string) => path.join(root, name)
  const watchers: Watcher[] = []

  function watch(...folders: string[]): Watcher {
    const watcher = new Watcher(
      tcolima(['ssh', 'shared', '--', 'perl', at('inotify.pl'), ...folders.map(at)]),
    )
    watchers.push(watcher)
    return watcher
  }

  /** Waits until the agent has heard of watchers in the guest. */
  async function isWatched(): Promise<void> {
    await eventually(async () => {
      const { stdout } = await tcolima(['status', 'shared', '--json'])
      const { mounts } = JSON.parse(String(stdout)) as { mounts: { watched: boolean }[] }
      return mounts[0]?.watched || undefined
    }, limitMs)
  }

  /** Everything about the watched tree but access times. */
  function snapshot(): string {
    const script = `cd '${root}'; find . -printf '%p %y %m %s %T@ %C@ %i %l\\n' | sort; find . -type f | sort | xargs cat`
    return execFileSync('sh', ['-c', script], { encoding: 'utf8' })
  }

  beforeAll(async () => {
    await fs.mkdir(at('d'), { recursive: true })
    await fs.writeFile(at('d/old'), 'old')
    copyFileSync(path.join(import.meta.dirname, 'inotify.pl'), at('inotify.pl'))
  })
  afterAll(async () => {
    for (const watcher of watchers) await watcher.end()
    await docker('shared', ['rm', '-f', 'watcher'])
    await fs.rm(root, { recursive: true, force: true })
  })

  test('reach a watcher as the events they are, change nothing on the host, and are seen at once', async () => {
    const watcher = watch('.', 'd')
    await watcher.ready()
    await isWatched()
    await fs.writeFile(at('d/new'), 'content')
    await watcher.sees(`CREATE ${at('d/new')}`)
    await watcher.sees(`CLOSE_WRITE ${at('d/new')}`)
    await fs.appendFile(at('d/new'), ', more')
    await eventually(
      () => watcher.events.filter((event) => event === `MODIFY ${at('d/new')}`).length > 1 || undefined,
      limitMs,
    )
    // The event has brought the new size and content along.
    const seen = await tcolima([
      'ssh',
      'shared',
      '--',
      'sh',
      '-c',
      `cd '${root}'; stat -c %s d/new; cat d/new`,
    ])
    expect(seen.stdout).toBe('13\ncontent, more')
    await fs.chmod(at('d/new'), 0o600)
    await watcher.sees(`ATTRIB ${at('d/new')}`)
    await fs.mkdir(at('d/folder'))
    await watcher.sees(`CREATE,ISDIR ${at('d/folder')}`)
    await fs.rename(at('d/new'), at('moved'))
    await watcher.sees(`MOVED_FROM ${at('d/new')}`)
    await watcher.sees(`MOVED_TO ${at('moved')}`)
    await fs.writeFile(at('temporary'), 'saved')
    await fs.rename(at('temporary'), at('moved'))
    await fs.symlink('nowhere', at('d/link'))
    await watcher.sees(`CREATE ${at('d/link')}`)
    await fs.rm(at('d/folder'), { recursive: true })
    await watcher.sees(`DELETE,ISDIR ${at('d/folder')}`)
    await fs.unlink(at('d/link'))
    const before = snapshot()
    await watcher.sees(`DELETE ${at('d/link')}`)
    expect(snapshot()).toBe(before)
    expect(before).toContain('saved')
  })

  test("the guest's own changes are not told twice", async () => {
    const watcher = watch('.', 'd')
    await watcher.ready()
    await isWatched()
    const script = `cd '${root}'; echo own > d/own; chmod 640 d/own; mv d/own d/own2; rm d/own2`
    await tcolima(['ssh', 'shared', '--', 'sh', '-c', script])
    await fs.writeFile(at('after'), '')
    await watcher.sees(`CREATE ${at('after')}`)
    const own = watcher.events.filter((event) => event.includes('/d/own'))
    expect(own).toEqual([
      `CREATE ${at('d/own')}`,
      `MODIFY ${at('d/own')}`,
      `CLOSE_WRITE ${at('d/own')}`,
      `ATTRIB ${at('d/own')}`,
      `MOVED_FROM ${at('d/own')}`,
      `MOVED_TO ${at('d/own2')}`,
      `DELETE ${at('d/own2')}`,
    ])
  })

  test('reach a watcher in a container, also after the agent was killed', async () => {
    // The guest's own perl: the image has none.
    const perl = ['/usr', '/lib', '/lib64'].flatMap((folder) => ['-v', `${folder}:${folder}:ro`])
    const run = ['run', '-d', '--name', 'watcher', '-v', `${root}:/watched`, ...perl, 'busybox']
    // Not attached: the docker client's connection ends with the agent.
    await docker('shared', [...run, '/usr/bin/perl', '/watched/inotify.pl', '/watched'])
    const says = async (line: string) =>
      await eventually(async () => {
        const { stdout } = await docker('shared', ['logs', 'watcher'])
        return String(stdout).split('\n').includes(line) || undefined
      }, limitMs)
    await says('ready')
    await isWatched()
    await fs.writeFile(at('first'), 'x')
    await says('CREATE /watched/first')
    const { agent } = processesOf(shared.home, 'shared')
    if (agent) process.kill(agent.pid, 'SIGKILL')
    await eventually(async () => (await tcolima(['status', 'shared'])).exitCode === 0 || undefined, limitMs)
    await tcolima(['start', 'shared'])
    await isWatched()
    await fs.writeFile(at('later'), 'x')
    await says('CREATE /watched/later')
  })
})
