import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { Mirror } from './mirror.ts'

const ROUNDS = Number(process.env.TCOLIMA_NOTIFY_ROUNDS ?? 15)

let mirror: Mirror
afterEach(() => mirror.end())

/** How many inotify watches this process has. */
function watches(): number {
  const infos = readdirSync('/proc/self/fdinfo').map((fd) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')
    } catch {
      return ''
    }
  })
  return infos.join('').match(/^inotify wd/gm)?.length ?? 0
}

/** Numbers from 0 up to `below`, the same for the same seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** A shell script that makes, moves, edits and removes files and folders with few names, so that they get in each other's way. */
function script(seed: number): string {
  const next = numbers(seed)
  const name = () => Array.from({ length: 1 + next(3) }, () => 'abc'[next(3)]).join('/')
  const commands = [
    () => `mkdir -p ${name()}`,
    () => `echo ${next(100)} > ${name()}`,
    () => `echo ${next(100)} > ${name()}/f${next(3)}`,
    () => `mv -T ${name()} ${name()}`,
    () => `mv -T ${name()} ${name()}`,
    () => `mv ${name()} ${name()}`,
    () => `rm -rf ${name()}`,
    () => `cp -r ${name()} ${name()}`,
    () => `rm -f ${name()}/f*`,
    () => `chmod ${next(2) ? 700 : 755} ${name()}`,
    () => `sleep 0.0${next(4)}`,
  ]
  return Array.from(
    { length: 5 + next(40) },
    () => `${commands[next(commands.length)]!()} 2>/dev/null || :`,
  ).join('\n')
}

test.skipIf(process.platform !== 'linux').each(Array.from({ length: ROUNDS }, (_, seed) => seed))(
  'whatever happens at random ends in the same tree, seed %i',
  async (seed) => {
    mirror = await Mirror.start()
    for (let step = 0; step < 4; step++) {
      // In one go, or while the watcher looks at what came before.
      if (seed % 2 === 0)
        execFileSync('sh', ['-c', script(seed * 4 + step)], { cwd: mirror.root, stdio: 'ignore' })
      else
        await once(
          spawn('sh', ['-c', script(seed * 4 + step)], { cwd: mirror.root, stdio: 'ignore' }),
          'exit',
        )
      await mirror.sameTree()
    }
    // Every folder is still watched, under its name of today, and no other is.
    await mirror.settle()
    expect(watches()).toBe(mirror.paths(true).length + 1)
    const files = mirror.paths(false)
    mirror.changes.length = 0
    execFileSync('sh', ['-c', 'find . -type f -exec sh -c \'for f; do echo x >> "$f"; done\' sh {} +'], {
      cwd: mirror.root,
    })
    await mirror.settle()
    expect(mirror.told().sort()).toEqual(files.map((file) => `modify ${file}`).sort())
  },
)
